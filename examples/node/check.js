const listenFd = require("./listen_fd.js");

for (const label of process.argv.slice(2)) console.log(listenFd(label) ?? -1);
