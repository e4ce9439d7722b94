# bash completion of listen and the other commands of LISTEN_FD_MAP. It needs no bash-completion; where that is loaded, it
# completes PROG.

# made from the tables: LISTEN_WRITE=1 cargo test --test completions
_listen_families=(
  "tcp||PORT  *:PORT  :PORT  1.2.3.4:PORT  [v6]:PORT  [fe80::1%eth0]:PORT  ADDR/PORT"
  "udp||PORT  *:PORT  :PORT  1.2.3.4:PORT  [v6]:PORT  [fe80::1%eth0]:PORT  ADDR/PORT"
  "mptcp||PORT  *:PORT  :PORT  1.2.3.4:PORT  [v6]:PORT  [fe80::1%eth0]:PORT  ADDR/PORT"
  "sctp||PORT  *:PORT  :PORT  1.2.3.4:PORT  [v6]:PORT  [fe80::1%eth0]:PORT  ADDR/PORT"
  "udplite||PORT  *:PORT  :PORT  1.2.3.4:PORT  [v6]:PORT  [fe80::1%eth0]:PORT  ADDR/PORT"
  "unix|FILE|/path  ./path  ../path  @abstract-name"
  "unix-dgram|FILE|/path  ./path  ../path  @abstract-name"
  "unix-seqpacket|FILE|/path  ./path  ../path  @abstract-name"
  "vsock||PORT  CID:PORT"
  "vsock-dgram||PORT  CID:PORT"
  "netlink|route usersock sock-diag inet-diag nflog xfrm selinux iscsi audit fib-lookup connector netfilter kobject-uevent generic scsitransport ecryptfs rdma crypto|route  kobject-uevent  audit  ...  NUMBER"
  "fifo|FILE|/path  ./path  ../path (made if missing)"
  "file|FILE|/path  ./path  ../path (never made)"
  "mqueue||/name"
  "fd||the number of an open fd"
)
_listen_options=(
  "label=|*||name in LISTEN_FD_MAP (default: the family)"
  "fd=|*||exactly this fd number (default: the lowest free one from 3 up)"
  "env=|*||also export the fd number in this variable"
  "nonblock|*|yes no|set O_NONBLOCK"
  "count=|tcp udp mptcp||so many reuseport sockets: LABEL.0, LABEL.1, ..."
  "netns=|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket netlink|NETNS|bind in this network namespace, a name of ip-netns(8) or a path"
  "v6only|tcp udp mptcp sctp udplite|yes no kernel|IPV6_V6ONLY: no IPv4 (default: yes for [::], no for all addresses)"
  "device=|tcp udp mptcp sctp udplite|INTERFACE|SO_BINDTODEVICE: only packets of this interface"
  "reuseaddr|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink|yes no|SO_REUSEADDR (default: yes for tcp, mptcp, sctp)"
  "reuseport|tcp udp mptcp sctp udplite|yes no|SO_REUSEPORT: several sockets share the port's load"
  "freebind|tcp udp mptcp sctp udplite|yes no|IP_FREEBIND: an address that no interface has (yet)"
  "transparent|tcp udp mptcp sctp udplite|yes no|IP_TRANSPARENT: transparent proxying"
  "tos=|tcp udp mptcp sctp udplite||IP_TOS, IPV6_TCLASS: type of service, 0 to 255"
  "ttl=|tcp udp mptcp sctp udplite||IP_TTL, IPV6_UNICAST_HOPS: hops of what is sent"
  "pktinfo|udp udplite netlink|yes no|IP_PKTINFO, NETLINK_PKTINFO: tell with each datagram where it came in"
  "mark=|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink||SO_MARK: firewall mark of what is sent"
  "priority=|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink||SO_PRIORITY of what is sent; above 6 with CAP_NET_ADMIN"
  "keepalive|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink|yes no|SO_KEEPALIVE: probe idle connections"
  "broadcast|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink|yes no|SO_BROADCAST: may send to broadcast addresses"
  "timestamp=|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink|us ns|SO_TIMESTAMP (us) or SO_TIMESTAMPNS (ns) with each datagram"
  "rcvbuf=|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink||SO_RCVBUF: receive buffer in bytes, K, M or G"
  "sndbuf=|tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink||SO_SNDBUF: send buffer in bytes, K, M or G"
  "nodelay|tcp mptcp|yes no|TCP_NODELAY: send small segments at once"
  "keepidle=|tcp mptcp||TCP_KEEPIDLE: idle seconds before the first probe"
  "keepintvl=|tcp mptcp||TCP_KEEPINTVL: seconds between probes"
  "keepcnt=|tcp mptcp||TCP_KEEPCNT: probes before the connection is dropped"
  "defer-accept=|tcp mptcp||TCP_DEFER_ACCEPT: accept when data is there, wait so many seconds"
  "fastopen=|tcp mptcp||TCP_FASTOPEN: so many pending requests with data in the SYN"
  "user-timeout=|tcp mptcp||TCP_USER_TIMEOUT: drop after so many unanswered milliseconds"
  "maxseg=|tcp mptcp||TCP_MAXSEG: longest segment in bytes"
  "congestion=|tcp mptcp|CONGESTION|TCP_CONGESTION: algorithm of congestion control"
  "passcred|unix unix-dgram unix-seqpacket netlink|yes no|SO_PASSCRED: the sender's credentials with each message"
  "passsec|unix unix-dgram unix-seqpacket netlink|yes no|SO_PASSSEC: the sender's security label with each message"
  "passpidfd|unix unix-dgram unix-seqpacket|yes no|SO_PASSPIDFD: a pidfd of the sender with each message"
  "passrights|unix unix-dgram unix-seqpacket|yes no|SO_PASSRIGHTS: no refuses fds that are sent (default: yes)"
  "dirmode=|unix unix-dgram unix-seqpacket fifo||make missing parent directories, with these octal permissions"
  "mode=|unix unix-dgram unix-seqpacket fifo mqueue||octal permissions (default: 0777, fifo and mqueue 0666, less umask)"
  "user=|unix unix-dgram unix-seqpacket fifo mqueue|USER|owner, a name or number (default: the caller)"
  "group=|unix unix-dgram unix-seqpacket fifo mqueue|GROUP|group, a name or number (default: the caller's)"
  "unlink=|unix unix-dgram unix-seqpacket|stale never|stale: replace a socket that nobody has open (default); never"
  "symlink=|unix unix-dgram unix-seqpacket fifo file|FILE|a symbolic link to the path; may repeat"
  "writable|file|yes no|open for reading and writing"
  "pipe-size=|fifo||F_SETPIPE_SZ: capacity in bytes, K, M or G"
  "maxmsg=|mqueue||mq_maxmsg: the most messages"
  "msgsize=|mqueue||mq_msgsize: the longest message in bytes, K or M"
  "join=|udp udplite||receive this multicast group, GROUP[%IF]; may repeat"
  "multicast=|netlink||receive this multicast group, a number; may repeat"
  "listen|tcp mptcp sctp unix unix-seqpacket vsock|yes no|no: bind only (default: yes)"
  "backlog=|tcp mptcp sctp unix unix-seqpacket vsock||connections that may wait (default: the kernel's maximum)"
)
_listen_flags=(
  "listen|-e|--env||also export <LABEL>_FD"
  "listen|-a|--addr||also export <LABEL>_ADDR"
  "listen|-v|--verbose||say what was bound"
  "listen|-n|--dry-run||make nothing, print the specs in full"
  "listen|-d|--notify|FD|write a newline to FD and close it once every socket is bound"
  "listen|-o|--option|OPTION[=VALUE]|an option of the spec before it"
  "listen|-h|--help|[FAMILY]|this, or the options of one family"
  "listen|-V|--version||"
  "listen-unit|-e|--env||also export <LABEL>_FD"
  "listen-unit|-a|--addr||also export <LABEL>_ADDR"
  "listen-unit|-v|--verbose||say what was bound, and which directives are a service manager's"
  "listen-unit|-n|--dry-run||make nothing, print the specs for listen"
  "listen-unit|-d|--notify|FD|write a newline to FD and close it once every socket is bound"
  "listen-unit|-l|--labels|LABEL,...|the labels, in order (default: FileDescriptorName=, or the unit's name)"
  "listen-unit||--accept||take units with Accept=yes: PROG accepts connections itself"
  "listen-unit||--user||search the units of the user's own manager"
  "listen-unit||--root|DIR|search below DIR"
  "listen-unit|-h|--help||"
  "listen-unit|-V|--version||"
  "fdmap|-j|--json||an array of objects, null where there is nothing to say"
  "fdmap|-h|--help||"
  "fdmap|-V|--version||"
  "fdmap-check|-l|--label|LABEL[=KIND[,PROPERTY]...]|an entry, or each of a group"
  "fdmap-check|-x|--exact||no other entries"
  "fdmap-check|-h|--help||"
  "fdmap-check|-V|--version||"
  "fdmap-edit||--add|LABEL=FD|an fd that is open already"
  "fdmap-edit||--rename|OLD=NEW|another label; the name of a group renames its members"
  "fdmap-edit||--move|LABEL=FD|another number"
  "fdmap-edit||--drop|LABEL|take it out and close it; the name of a group is all of it"
  "fdmap-edit||--keep|LABEL,...|drop all others"
  "fdmap-edit|-e|--env||export <LABEL>_FD of every entry"
  "fdmap-edit|-a|--addr||export <LABEL>_ADDR of every entry"
  "fdmap-edit|-h|--help||"
  "fdmap-edit|-V|--version||"
  "fdmap-from|-l|--labels|LABEL,...|the labels, in order (default: the convention's names, or its own)"
  "fdmap-from|-e|--env||also export <LABEL>_FD of the new entries"
  "fdmap-from|-a|--addr||also export <LABEL>_ADDR"
  "fdmap-from|-r|--required||an error if the variables are not there"
  "fdmap-from|-k|--keep-variables||leave them where they are"
  "fdmap-from|-h|--help||"
  "fdmap-from|-V|--version||"
  "fdmap-to|-l|--labels|LABEL,...|only these entries, in this order; the name of a group is all of it"
  "fdmap-to|-k|--keep-variables||leave the map and its variables, with the numbers that the fds have then"
  "fdmap-to|-h|--help||"
  "fdmap-to|-V|--version||"
)
_listen_conventions=(
  "fdmap-from|systemd|LISTEN_FDS LISTEN_PID LISTEN_FDNAMES LISTEN_PIDFDID"
  "fdmap-from|listenfd|LISTEN_FDS LISTEN_FDS_FIRST_FD LISTEN_PID LISTEN_FDNAMES"
  "fdmap-from|s6-fdholder|S6_FD# S6_FD_0 S6_FDID_0 S6_FDLIMIT_0 ..."
  "fdmap-from|server-starter|SERVER_STARTER_PORT SERVER_STARTER_GENERATION"
  "fdmap-from|einhorn|EINHORN_FD_COUNT EINHORN_FD_0 ... EINHORN_MASTER_PID"
  "fdmap-from|vars|<LABEL>_FD ..."
  "fdmap-from|fd0|"
  "fdmap-to|systemd|LISTEN_FDS LISTEN_PID LISTEN_FDNAMES LISTEN_PIDFDID"
  "fdmap-to|listenfd|LISTEN_FDS LISTEN_FDS_FIRST_FD LISTEN_PID LISTEN_FDNAMES"
  "fdmap-to|s6-fdholder|S6_FD# S6_FD_0 S6_FDID_0 S6_FDLIMIT_0 ..."
  "fdmap-to|server-starter|SERVER_STARTER_PORT SERVER_STARTER_GENERATION"
  "fdmap-to|einhorn|EINHORN_FD_COUNT EINHORN_FD_0 ... EINHORN_MASTER_PID"
  "fdmap-to|nginx|NGINX"
  "fdmap-to|php-fpm|FPM_SOCKETS FPM_SOCKETS_1 ..."
  "fdmap-to|unicorn|UNICORN_FD"
  "fdmap-to|gunicorn|GUNICORN_FD GUNICORN_PID"
  "fdmap-to|puma|PUMA_INHERIT_0 ..."
  "fdmap-to|vars|<LABEL>_FD ..."
  "fdmap-to|fd0|"
  "fdmap-to|argv|"
)
# end of what is made

# bash divides words at : and = too (COMP_WORDBREAKS): words are the words as they stand in the line up to the cursor, at
# the place of each in COMP_WORDS.
_listen_words() {
  local i part line=${COMP_LINE:0:COMP_POINT}
  words=() at=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    part=${COMP_WORDS[i]}
    if ((i == 0)) || [[ $line == [[:space:]]* ]]; then
      line=${line#"${line%%[![:space:]]*}"}
      words+=('') at+=("$i")
    fi
    # the cursor may stand in the middle of the last
    [[ $line == "$part"* ]] || part=$line
    words[-1]+=$part
    line=${line#"$part"}
  done
}

# The argument of an option of the command, if it has to have one.
_listen_argument() {
  local row name short long argument
  for row in "${_listen_flags[@]}"; do
    IFS='|' read -r name short long argument _ <<<"$row"
    if [[ $name == "$command" && ($short == "$1" || $long == "$1") && $argument != '['* ]]; then
      takes=${argument:+$long}
    fi
  done
}

_listen_is_family() {
  [[ $command == listen && " ${_listen_families[*]%%|*} " == *" $1 "* ]]
}

# Candidates that are this text and one of these words, or of what the shell itself has.
_listen_values() {
  local before=$1 value=${cur#"$1"} list
  case $2 in
    FILE) compopt -o filenames; mapfile -t list < <(compgen -f -- "$value") ;;
    DIR) compopt -o filenames; mapfile -t list < <(compgen -d -- "$value") ;;
    USER) mapfile -t list < <(compgen -u -- "$value") ;;
    GROUP) mapfile -t list < <(compgen -g -- "$value") ;;
    INTERFACE) mapfile -t list < <(cd /sys/class/net 2>/dev/null && compgen -f -- "$value") ;;
    NETNS) mapfile -t list < <(cd /run/netns 2>/dev/null && compgen -f -- "$value") ;;
    CONGESTION) read -ra list 2>/dev/null </proc/sys/net/ipv4/tcp_available_congestion_control ;;
    *) read -ra list <<<"$2" ;;
  esac
  candidates+=("${list[@]/#/"$before"}")
}

# The options of a family, or the values of one; $2 is what stands before it in the word.
_listen_option() {
  local row name families values text=${cur#"$2"}
  for row in "${_listen_options[@]}"; do
    IFS='|' read -r name families values _ <<<"$row"
    [[ $families == '*' || " $families " == *" $1 "* ]] || continue
    if [[ $text != *=* ]]; then
      candidates+=("$2$name")
    elif [[ ${text%%[~=]*} == "${name%=}" ]]; then
      _listen_values "$2${text%%=*}=" "$values"
    fi
  done
}

# The addresses of a family.
_listen_address() {
  local row
  for row in "${_listen_families[@]}"; do
    [[ $row != "$1|"* ]] || { row=${row#*|}; _listen_values "$2" "${row%%|*}"; }
  done
}

# -FAMILY:OPTIONS:ADDRESS
_listen_spec() {
  local family=${cur#-} text
  family=${family%%:*} text=${cur#*:}
  compopt -o nospace
  if [[ $text =~ ^([^]:[]|\[[^]]*\])*: ]]; then
    _listen_address "$family" "${cur%%:*}:${BASH_REMATCH[0]}"
  else
    [[ $text != *,* ]] || text=${text##*,}
    _listen_option "$family" "${cur%"$text"}"
  fi
}

# What an option of the command takes, after $1.
_listen_value() {
  case $takes in
    --option) _listen_option "$family" "$1" ;;
    --root) _listen_values "$1" DIR ;;
    *) _listen_address "${takes#--}" "$1" ;;
  esac
}

# PROG and its arguments, which begin at this word.
_listen_prog() {
  if declare -F _comp_command_offset >/dev/null; then
    _comp_command_offset "${at[$1]}"
  elif declare -F _command_offset >/dev/null; then
    _command_offset "${at[$1]}"
  elif (($1 == last)); then
    compopt -o filenames
    mapfile -t candidates < <(compgen -c -- "$cur")
  elif [[ " listen-fd ${_listen_flags[*]%%|*} " == *" ${words[$1]##*/} "* ]]; then
    _listen_command "$1"
  else
    compopt -o default
  fi
}

# The command at this word.
_listen_command() {
  local command=${words[$1]##*/} i=$1 word row letter family='' takes='' ended='' operands=0
  # as Debian calls it
  [[ $command != listen-fd ]] || command=listen
  for ((i++; i < last; i++)); do
    word=${words[i]#[\'\"]}
    if [[ $takes ]]; then
      takes=
    elif [[ $word == -- && ! $ended ]]; then
      ended=1
      [[ $command != listen ]] || { _listen_prog $((i + 1)); return; }
    elif [[ $word == -- && $command == listen-unit ]]; then
      _listen_prog $((i + 1))
      return
    elif [[ $word == --* && ! $ended ]]; then
      row=${word#--}
      ! _listen_is_family "${row%%=*}" || family=${row%%=*}
      if [[ $word == *=* ]]; then
        :
      elif _listen_is_family "$row"; then
        takes=$word
      else
        _listen_argument "$word"
      fi
    elif [[ $word == -*:* && $command == listen ]]; then
      family=${word#-} family=${family%%:*}
    elif [[ $word == -?* && ! $ended ]]; then
      # letters; the first that takes something takes the rest, if there is any
      for ((letter = 1; letter < ${#word}; letter++)); do
        _listen_argument "-${word:letter:1}"
        [[ ! $takes ]] || break
      done
      ((letter + 1 >= ${#word})) || takes=
    elif [[ $command == fdmap-to || $command == fdmap-from ]] && ((operands == 0)); then
      operands=1
    elif [[ $command == listen-unit && $word == *.socket ]]; then
      operands=1
    elif [[ $command != fdmap ]]; then
      _listen_prog "$i"
      return
    fi
  done
  if [[ $takes ]]; then
    _listen_value ''
  elif [[ $cur == --*=* && ! $ended ]]; then
    takes=${cur%%=*}
    _listen_value "$takes="
  elif [[ $cur == -*:* && $command == listen ]]; then
    _listen_spec
  elif [[ $cur == -* && ! $ended ]]; then
    for row in "${_listen_flags[@]}"; do
      IFS='|' read -r word short long _ <<<"$row"
      [[ $word != "$command" ]] || candidates+=(${short:+"$short"} "$long")
    done
    if [[ $command == listen ]]; then
      for row in "${_listen_families[@]%%|*}"; do candidates+=("-$row:" "--$row"); done
    fi
  elif [[ $command == listen && ${words[last - 1]} =~ ^(-h|--help)$ ]]; then
    candidates=("${_listen_families[@]%%|*}")
  elif [[ $command == fdmap-to || $command == fdmap-from ]] && ((operands == 0)); then
    for row in "${_listen_conventions[@]}"; do
      IFS='|' read -r word name _ <<<"$row"
      [[ $word != "$command" ]] || candidates+=("$name")
    done
  elif [[ $command == listen-unit ]]; then
    compopt -o filenames
    mapfile -t candidates < <(compgen -f -X '!*.socket' -- "$cur"; compgen -d -- "$cur")
    ((operands == 0)) || _listen_prog "$last"
  elif [[ $command != fdmap ]]; then
    _listen_prog "$last"
  fi
}

_listen() {
  local words at last cur candidates=() short long name breaks prefix=''
  COMPREPLY=()
  _listen_words
  last=$((${#words[@]} - 1)) cur=${words[-1]}
  # readline's own word begins after a quote, or after the last character that divides words
  if [[ $cur == [\'\"]* ]]; then
    cur=${cur:1}
  else
    breaks=${COMP_WORDBREAKS//[!:=@]/}
    [[ ! $breaks ]] || prefix=${cur%"${cur##*["$breaks"]}"}
  fi
  _listen_command 0
  for name in "${candidates[@]}"; do
    [[ $name != "$cur"* ]] || COMPREPLY+=("${name#"$prefix"}")
  done
  [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *[:=] ]] || compopt -o nospace
}

complete -F _listen listen listen-fd listen-unit fdmap fdmap-check fdmap-edit fdmap-from fdmap-to
