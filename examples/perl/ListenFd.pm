package ListenFd;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT_OK = ('listen_fd');

# The number of the label's fd in LISTEN_FD_MAP, or undef.
sub listen_fd {
    my ($label) = @_;
    my ($fd) = ( $ENV{LISTEN_FD_MAP} // '' ) =~ /(?:\A|,)\Q$label\E=([^,]*)/;
    return unless defined $fd && $fd =~ /\A(?:0|[1-9][0-9]{0,9})\z/ && $fd <= 2147483647;
    return $fd;
}

1;
