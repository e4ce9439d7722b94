# fish completion of listen and the other commands of LISTEN_FD_MAP: each command needs a link to this file.

# made from the tables: LISTEN_WRITE=1 cargo test --test completions
set -g _listen_families \
  "tcp||PORT  *:PORT  :PORT  1.2.3.4:PORT  [v6]:PORT  [fe80::1%eth0]:PORT  ADDR/PORT" \
  "udp||PORT  *:PORT  :PORT  1.2.3.4:PORT  [v6]:PORT  [fe80::1%eth0]:PORT  ADDR/PORT" \
  "mptcp||PORT  *:PORT  :PORT  1.2.3.4:PORT  [v6]:PORT  [fe80::1%eth0]:PORT  ADDR/PORT" \
  "sctp||PORT  *:PORT  :PORT  1.2.3.4:PORT  [v6]:PORT  [fe80::1%eth0]:PORT  ADDR/PORT" \
  "udplite||PORT  *:PORT  :PORT  1.2.3.4:PORT  [v6]:PORT  [fe80::1%eth0]:PORT  ADDR/PORT" \
  "unix|FILE|/path  ./path  ../path  @abstract-name" \
  "unix-dgram|FILE|/path  ./path  ../path  @abstract-name" \
  "unix-seqpacket|FILE|/path  ./path  ../path  @abstract-name" \
  "vsock||PORT  CID:PORT" \
  "vsock-dgram||PORT  CID:PORT" \
  "netlink|route usersock sock-diag inet-diag nflog xfrm selinux iscsi audit fib-lookup connector netfilter kobject-uevent generic scsitransport ecryptfs rdma crypto|route  kobject-uevent  audit  ...  NUMBER" \
  "fifo|FILE|/path  ./path  ../path (made if missing)" \
  "file|FILE|/path  ./path  ../path (never made)" \
  "mqueue||/name" \
  "fd||the number of an open fd"
set -g _listen_options \
  "label=|*||name in LISTEN_FD_MAP (default: the family)" \
  "fd=|*||exactly this fd number (default: the lowest free one from 3 up)" \
  "env=|*||also export the fd number in this variable" \
  "nonblock|*|yes no|set O_NONBLOCK" \
  "count=|tcp udp mptcp||so many reuseport sockets: LABEL.0, LABEL.1, ..." \
  "netns=|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket netlink|NETNS|bind in this network namespace, a name of ip-netns(8) or a path" \
  "v6only|tcp udp mptcp sctp udplite|yes no kernel|IPV6_V6ONLY: no IPv4 (default: yes for [::], no for all addresses)" \
  "device=|tcp udp mptcp sctp udplite|INTERFACE|SO_BINDTODEVICE: only packets of this interface" \
  "reuseaddr|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink|yes no|SO_REUSEADDR (default: yes for tcp, mptcp, sctp)" \
  "reuseport|tcp udp mptcp sctp udplite|yes no|SO_REUSEPORT: several sockets share the port's load" \
  "freebind|tcp udp mptcp sctp udplite|yes no|IP_FREEBIND: an address that no interface has (yet)" \
  "transparent|tcp udp mptcp sctp udplite|yes no|IP_TRANSPARENT: transparent proxying" \
  "tos=|tcp udp mptcp sctp udplite||IP_TOS, IPV6_TCLASS: type of service, 0 to 255" \
  "ttl=|tcp udp mptcp sctp udplite||IP_TTL, IPV6_UNICAST_HOPS: hops of what is sent" \
  "pktinfo|udp udplite netlink|yes no|IP_PKTINFO, NETLINK_PKTINFO: tell with each datagram where it came in" \
  "mark=|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink||SO_MARK: firewall mark of what is sent" \
  "priority=|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink||SO_PRIORITY of what is sent; above 6 with CAP_NET_ADMIN" \
  "keepalive|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink|yes no|SO_KEEPALIVE: probe idle connections" \
  "broadcast|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink|yes no|SO_BROADCAST: may send to broadcast addresses" \
  "timestamp=|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink|us ns|SO_TIMESTAMP (us) or SO_TIMESTAMPNS (ns) with each datagram" \
  "rcvbuf=|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink||SO_RCVBUF: receive buffer in bytes, K, M or G" \
  "sndbuf=|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink||SO_SNDBUF: send buffer in bytes, K, M or G" \
  "nodelay|tcp mptcp|yes no|TCP_NODELAY: send small segments at once" \
  "keepidle=|tcp mptcp||TCP_KEEPIDLE: idle seconds before the first probe" \
  "keepintvl=|tcp mptcp||TCP_KEEPINTVL: seconds between probes" \
  "keepcnt=|tcp mptcp||TCP_KEEPCNT: probes before the connection is dropped" \
  "defer-accept=|tcp mptcp||TCP_DEFER_ACCEPT: accept when data is there, wait so many seconds" \
  "fastopen=|tcp mptcp||TCP_FASTOPEN: so many pending requests with data in the SYN" \
  "user-timeout=|tcp mptcp||TCP_USER_TIMEOUT: drop after so many unanswered milliseconds" \
  "maxseg=|tcp mptcp||TCP_MAXSEG: longest segment in bytes" \
  "congestion=|tcp mptcp|CONGESTION|TCP_CONGESTION: algorithm of congestion control" \
  "passcred|unix unix-dgram unix-seqpacket netlink|yes no|SO_PASSCRED: the sender's credentials with each message" \
  "passsec|unix unix-dgram unix-seqpacket netlink|yes no|SO_PASSSEC: the sender's security label with each message" \
  "passpidfd|unix unix-dgram unix-seqpacket|yes no|SO_PASSPIDFD: a pidfd of the sender with each message" \
  "passrights|unix unix-dgram unix-seqpacket|yes no|SO_PASSRIGHTS: no refuses fds that are sent (default: yes)" \
  "dirmode=|unix unix-dgram unix-seqpacket fifo||make missing parent directories, with these octal permissions" \
  "mode=|unix unix-dgram unix-seqpacket fifo mqueue||octal permissions (default: 0777, fifo and mqueue 0666, less umask)" \
  "user=|unix unix-dgram unix-seqpacket fifo mqueue|USER|owner, a name or number (default: the caller)" \
  "group=|unix unix-dgram unix-seqpacket fifo mqueue|GROUP|group, a name or number (default: the caller's)" \
  "unlink=|unix unix-dgram unix-seqpacket|stale never|stale: replace a socket that nobody has open (default); never" \
  "symlink=|unix unix-dgram unix-seqpacket fifo file|FILE|a symbolic link to the path; may repeat" \
  "writable|file|yes no|open for reading and writing" \
  "pipe-size=|fifo||F_SETPIPE_SZ: capacity in bytes, K, M or G" \
  "maxmsg=|mqueue||mq_maxmsg: the most messages" \
  "msgsize=|mqueue||mq_msgsize: the longest message in bytes, K or M" \
  "join=|udp udplite||receive this multicast group, GROUP[%IF]; may repeat" \
  "multicast=|netlink||receive this multicast group, a number; may repeat" \
  "listen|tcp mptcp sctp unix unix-seqpacket vsock|yes no|no: bind only (default: yes)" \
  "backlog=|tcp mptcp sctp unix unix-seqpacket vsock||connections that may wait (default: the kernel's maximum)"
set -g _listen_flags \
  "listen|-e|--env||also export <LABEL>_FD" \
  "listen|-a|--addr||also export <LABEL>_ADDR" \
  "listen|-v|--verbose||say what was bound" \
  "listen|-n|--dry-run||make nothing, print the specs in full" \
  "listen|-d|--notify|FD|write a newline to FD and close it once every socket is bound" \
  "listen|-o|--option|OPTION[=VALUE]|an option of the spec before it" \
  "listen|-h|--help|[FAMILY]|this, or the options of one family" \
  "listen|-V|--version||" \
  "listen-unit|-e|--env||also export <LABEL>_FD" \
  "listen-unit|-a|--addr||also export <LABEL>_ADDR" \
  "listen-unit|-v|--verbose||say what was bound, and which directives are a service manager's" \
  "listen-unit|-n|--dry-run||make nothing, print the specs for listen" \
  "listen-unit|-d|--notify|FD|write a newline to FD and close it once every socket is bound" \
  "listen-unit|-l|--labels|LABEL,...|the labels, in order (default: FileDescriptorName=, or the unit's name)" \
  "listen-unit||--accept||take units with Accept=yes: PROG accepts connections itself" \
  "listen-unit||--user||search the units of the user's own manager" \
  "listen-unit||--root|DIR|search below DIR" \
  "listen-unit|-h|--help||" \
  "listen-unit|-V|--version||" \
  "fdmap|-j|--json||an array of objects, null where there is nothing to say" \
  "fdmap|-h|--help||" \
  "fdmap|-V|--version||" \
  "fdmap-check|-l|--label|LABEL[=KIND[,PROPERTY]...]|an entry, or each of a group" \
  "fdmap-check|-x|--exact||no other entries" \
  "fdmap-check|-h|--help||" \
  "fdmap-check|-V|--version||" \
  "fdmap-edit||--add|LABEL=FD|an fd that is open already" \
  "fdmap-edit||--rename|OLD=NEW|another label; the name of a group renames its members" \
  "fdmap-edit||--move|LABEL=FD|another number" \
  "fdmap-edit||--drop|LABEL|take it out and close it; the name of a group is all of it" \
  "fdmap-edit||--keep|LABEL,...|drop all others" \
  "fdmap-edit|-e|--env||export <LABEL>_FD of every entry" \
  "fdmap-edit|-a|--addr||export <LABEL>_ADDR of every entry" \
  "fdmap-edit|-h|--help||" \
  "fdmap-edit|-V|--version||" \
  "fdmap-from|-l|--labels|LABEL,...|the labels, in order (default: the convention's names, or its own)" \
  "fdmap-from|-e|--env||also export <LABEL>_FD of the new entries" \
  "fdmap-from|-a|--addr||also export <LABEL>_ADDR" \
  "fdmap-from|-r|--required||an error if the variables are not there" \
  "fdmap-from|-k|--keep-variables||leave them where they are" \
  "fdmap-from|-h|--help||" \
  "fdmap-from|-V|--version||" \
  "fdmap-to|-l|--labels|LABEL,...|only these entries, in this order; the name of a group is all of it" \
  "fdmap-to|-k|--keep-variables||leave the map and its variables, with the numbers that the fds have then" \
  "fdmap-to|-h|--help||" \
  "fdmap-to|-V|--version||"
set -g _listen_conventions \
  "fdmap-from|systemd|LISTEN_FDS LISTEN_PID LISTEN_FDNAMES LISTEN_PIDFDID" \
  "fdmap-from|listenfd|LISTEN_FDS LISTEN_FDS_FIRST_FD LISTEN_PID LISTEN_FDNAMES" \
  "fdmap-from|s6-fdholder|S6_FD# S6_FD_0 S6_FDID_0 S6_FDLIMIT_0 ..." \
  "fdmap-from|server-starter|SERVER_STARTER_PORT SERVER_STARTER_GENERATION" \
  "fdmap-from|einhorn|EINHORN_FD_COUNT EINHORN_FD_0 ... EINHORN_MASTER_PID" \
  "fdmap-from|vars|<LABEL>_FD ..." \
  "fdmap-from|fd0|" \
  "fdmap-to|systemd|LISTEN_FDS LISTEN_PID LISTEN_FDNAMES LISTEN_PIDFDID" \
  "fdmap-to|listenfd|LISTEN_FDS LISTEN_FDS_FIRST_FD LISTEN_PID LISTEN_FDNAMES" \
  "fdmap-to|s6-fdholder|S6_FD# S6_FD_0 S6_FDID_0 S6_FDLIMIT_0 ..." \
  "fdmap-to|server-starter|SERVER_STARTER_PORT SERVER_STARTER_GENERATION" \
  "fdmap-to|einhorn|EINHORN_FD_COUNT EINHORN_FD_0 ... EINHORN_MASTER_PID" \
  "fdmap-to|nginx|NGINX" \
  "fdmap-to|php-fpm|FPM_SOCKETS FPM_SOCKETS_1 ..." \
  "fdmap-to|unicorn|UNICORN_FD" \
  "fdmap-to|gunicorn|GUNICORN_FD GUNICORN_PID" \
  "fdmap-to|puma|PUMA_INHERIT_0 ..." \
  "fdmap-to|vars|<LABEL>_FD ..." \
  "fdmap-to|fd0|" \
  "fdmap-to|argv|"
# end of what is made

# The long name of an option of the command that has to have an argument.
function _listen_argument -a command flag
    for row in $_listen_flags
        set -l fields (string split '|' -- $row)
        if test $fields[1] = $command; and contains -- $flag $fields[2] $fields[3]
            string match -qr '^[^[]' -- $fields[4]; and echo -- $fields[3]
        end
    end
end

function _listen_is_family -a command name
    test $command = listen; and contains -- $name (string replace -r '\|.*' '' -- $_listen_families)
end

# Before each: these words, or what the shell itself has; after each what ends it.
function _listen_values -a before value values end
    switch $values
        case FILE
            string replace -r '^' -- "$before" (__fish_complete_path "$value")
        case DIR
            string replace -r '^' -- "$before" (__fish_complete_directories "$value")
        case USER
            printf '%s\n' "$before"(__fish_complete_users | string replace -r '\t.*' '')"$end"
        case GROUP
            printf '%s\n' "$before"(__fish_complete_groups | string replace -r '\t.*' '')"$end"
        case INTERFACE
            printf '%s\n' "$before"(__fish_print_interfaces)"$end"
        case NETNS
            printf '%s\n' "$before"(command ls /run/netns 2>/dev/null)"$end"
        case CONGESTION
            printf '%s\n' "$before"(string split ' ' </proc/sys/net/ipv4/tcp_available_congestion_control)"$end"
        case '?*'
            printf '%s\n' "$before"(string split ' ' -- $values)"$end"
    end
end

# The options of a family, or the values of one, after what stands before it in the word.
function _listen_option -a family before text end
    for row in $_listen_options
        set -l fields (string split '|' -- $row)
        if test $fields[2] != '*'; and not contains -- $family (string split ' ' -- $fields[2])
            continue
        end
        if not string match -q '*=*' -- $text
            # what takes a value goes on
            string match -q '*=' -- $fields[1]; or set fields[1] $fields[1]$end
            printf '%s\t%s\n' $before$fields[1] $fields[4]
        else if test (string replace -r '[~=].*' '' -- $text) = (string trim -r -c = -- $fields[1])
            set -l value (string split -m 1 = -- $text)
            _listen_values "$before$value[1]=" "$value[2]" "$fields[3]" "$end"
        end
    end
end

# The addresses of a family.
function _listen_address -a family before value
    for row in $_listen_families
        set -l fields (string split '|' -- $row)
        test $fields[1] = $family; and _listen_values "$before" "$value" "$fields[2]" ''
    end
end

# -FAMILY:OPTIONS:ADDRESS; an option is ended with a colon, after which fish adds no space
function _listen_spec -a cur
    set -l parts (string match -r '^-([^:]*):((?:[^]:[]|\[[^]]*\])*)(:.*)?$' -- $cur)
    if set -q parts[4]
        _listen_address $parts[2] "-$parts[2]:$parts[3]:" (string sub -s 2 -- $parts[4])
    else
        set -l option (string match -r '^((?:.*,)?)([^,]*)$' -- $parts[3])
        _listen_option $parts[2] "-$parts[2]:$option[2]" "$option[3]" :
    end
end

# What an option of the command takes.
function _listen_value -a takes family before value
    switch $takes
        case --option
            _listen_option "$family" "$before" "$value" ''
        case --root
            _listen_values "$before" "$value" DIR ''
        case '*'
            _listen_address (string sub -s 3 -- $takes) "$before" "$value"
    end
end

# PROG and its arguments, before the word that is to be completed.
function _listen_prog
    set -q argv[1]; and set argv (string escape -- $argv)
    complete -C (string join ' ' -- $argv (commandline -ct))
end

function _listen
    set -l words (commandline -opc)
    set -l cur (commandline -ct)
    set -l unquoted (string unescape -- $cur); and set cur $unquoted
    set -l command (string replace -r '.*/' '' -- $words[1])
    # as Debian calls it
    test $command = listen-fd; and set command listen
    set -l family ''
    set -l takes ''
    set -l ended ''
    set -l operands 0
    set -e words[1]
    while set -q words[1]
        set -l word $words[1]
        set -l name (string replace -r '^--' '' -- $word | string replace -r '=.*' '')
        if test -n "$takes"
            set takes ''
        else if test "$word" = --; and test -z "$ended"
            set ended 1
            if test $command = listen
                _listen_prog $words[2..]
                return
            end
        else if test "$word" = --; and test $command = listen-unit
            _listen_prog $words[2..]
            return
        else if string match -q -- '--*' $word; and test -z "$ended"
            _listen_is_family $command "$name"; and set family $name
            if string match -q '*=*' -- $word
            else if _listen_is_family $command "$name"
                set takes $word
            else
                set takes (_listen_argument $command $word)
            end
        else if string match -q -- '-*:*' $word; and test $command = listen
            set family (string match -r '^-([^:]*)' -- $word)[2]
        else if string match -q -- '-?*' $word; and test -z "$ended"
            # letters; the first that takes something takes the rest, if there is any
            set -l letters (string split '' -- $word)
            set -e letters[1]
            while set -q letters[1]; and test -z "$takes"
                set takes (_listen_argument $command -$letters[1])
                set -e letters[1]
            end
            set -q letters[1]; and set takes ''
        else if contains $command fdmap-to fdmap-from; and test $operands = 0
            set operands 1
        else if test $command = listen-unit; and string match -q '*.socket' -- $word
            set operands 1
        else if test $command != fdmap
            _listen_prog $words
            return
        end
        set -e words[1]
    end
    if test -n "$takes"
        _listen_value $takes "$family" '' "$cur"
    else if string match -q -- '--*=*' $cur; and test -z "$ended"
        set -l value (string split -m 1 = -- $cur)
        _listen_value $value[1] "$family" "$value[1]=" "$value[2]"
    else if string match -q -- '-*:*' $cur; and test $command = listen
        _listen_spec $cur
    else if string match -q -- '-*' $cur; and test -z "$ended"
        for row in $_listen_flags
            set -l fields (string split '|' -- $row)
            test $fields[1] = $command; or continue
            test -n "$fields[2]"; and printf '%s\t%s\n' $fields[2] "$fields[5]"
            printf '%s\t%s\n' $fields[3] "$fields[5]"
        end
        if test $command = listen
            for row in $_listen_families
                set -l fields (string split '|' -- $row)
                printf '%s\t%s\n' -$fields[1]: $fields[3] --$fields[1] $fields[3]
            end
        end
    else if test $command = listen; and contains -- (commandline -opc)[-1] -h --help
        string replace -r '\|.*' '' -- $_listen_families
    else if contains $command fdmap-to fdmap-from; and test $operands = 0
        for row in $_listen_conventions
            set -l fields (string split '|' -- $row)
            test $fields[1] = $command; and printf '%s\t%s\n' $fields[2] "$fields[3]"
        end
    else if test $command = listen-unit
        __fish_complete_suffix .socket
        test $operands = 1; and _listen_prog
    else if test $command != fdmap
        _listen_prog
    end
end

for command in listen listen-fd listen-unit fdmap fdmap-check fdmap-edit fdmap-from fdmap-to
    complete -c $command -f -a '(_listen)'
end
