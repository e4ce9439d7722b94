# listen_fd LABEL: sets fd to the number of its fd in LISTEN_FD_MAP, or returns 1
listen_fd() {
	case ,${LISTEN_FD_MAP-} in *",$1="*) ;; *) return 1 ;; esac
	fd=,$LISTEN_FD_MAP
	fd=${fd#*",$1="}
	fd=${fd%%,*}
	case $fd in 0) return ;; '' | 0* | *[!0123456789]* | ???????????*) return 1 ;; esac
	[ "$fd" -le 2147483647 ]
}
