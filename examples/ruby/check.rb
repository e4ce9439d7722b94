require_relative "listen_fd"

ARGV.each { |label| puts listen_fd(label) || -1 }
