# The number of the label's fd in LISTEN_FD_MAP, or nil.
def listen_fd(label)
  map = ENV.fetch("LISTEN_FD_MAP", "").b
  fd = map[/(?:\A|,)#{Regexp.escape(label)}=([^,]*)/n, 1]
  fd.to_i if fd&.match?(/\A(?:0|[1-9][0-9]{0,9})\z/) && fd.to_i <= 0x7fffffff
end
