use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use ListenFd 'listen_fd';

print listen_fd($_) // -1, "\n" for @ARGV;
