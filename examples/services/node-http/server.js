'use strict';
const { createServer } = require('node:http');
const { createSocket } = require('node:dgram');
const fd = (name) => ({ fd: Number(process.env[name]) });

const server = (text) => createServer((request, response) => response.end(text));
server('hello\n').listen(fd('HTTP_FD'));
server('admin\n').listen(fd('ADMIN_FD'));

const echo = createSocket('udp6');
echo.on('message', (text, from) => echo.send(text, from.port, from.address));
echo.bind(fd('ECHO_FD'));
