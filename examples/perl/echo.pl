# Sends back what comes in on the sockets tcp, udp and unix of LISTEN_FD_MAP.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use IO::Select;
use IO::Socket;
use ListenFd 'listen_fd';

my $sockets = IO::Select->new;
for my $label (qw(tcp udp unix)) {
    my $fd = listen_fd($label);
    $sockets->add( IO::Socket->new_from_fd( $fd, 'r+' ) ) if defined $fd;
}
while ( my @ready = $sockets->can_read ) {
    for my $socket (@ready) {
        if ( $socket->sockopt(SO_TYPE) == SOCK_DGRAM ) {
            my $from = recv $socket, my $text, 4096, 0;
            send $socket, $text, 0, $from;
        }
        elsif ( accept my $client, $socket ) {
            sysread $client, my $text, 4096;
            syswrite $client, $text;
            close $client;
        }
    }
}
