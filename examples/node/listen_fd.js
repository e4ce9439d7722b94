// The number of the label's fd in LISTEN_FD_MAP, or undefined.
function listenFd(label) {
  for (const entry of (process.env.LISTEN_FD_MAP ?? "").split(",")) {
    if (entry.startsWith(label + "=")) {
      const fd = entry.slice(label.length + 1);
      return /^(0|[1-9][0-9]{0,9})$/.test(fd) && +fd <= 0x7fffffff ? +fd : undefined;
    }
  }
}

module.exports = listenFd;
