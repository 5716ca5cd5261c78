"""An SMTP server that delivers nothing; the test chooses its reply for each recipient."""
import re
import socket
import socketserver
import threading


class _Session(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode('utf-8', 'surrogateescape') + b'\r\n')

    def handle(self):
        try:
            self._session(self.server.sink)
        except OSError:
            pass

    def _session(self, sink):
        recipients, sender, identity = [], None, None
        self.say(sink.greeting)
        for line in self.rfile:
            line = line.decode('utf-8', 'surrogateescape').rstrip('\r\n')
            verb = line[:4].upper()
            if verb in ('EHLO', 'LHLO'):
                self.say('250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n'
                         '250-SMTPUTF8\r\n250-XFORWARD IDENT\r\n250 ENHANCEDSTATUSCODES')
            elif verb == 'XFOR':
                identity = re.search(r'IDENT=(\S+)', line).group(1)
                self.say('250 2.0.0 Ok')
            elif verb == 'MAIL':
                recipients, sender = [], re.search(r'<(.*?)>', line).group(1)
                self.say('250 2.1.0 Ok')
            elif verb == 'RCPT':
                rcpt = re.search(r'<(.*)>', line).group(1)
                reply = sink.at_rcpt.get(rcpt.lower(), '250 2.1.5 Ok')
                if reply[0] == '2':
                    recipients.append(rcpt)
                self.say(reply)
            elif verb == 'DATA':
                self._data(sink, sender, recipients, identity)
            elif verb == 'QUIT':
                self.say('221 2.0.0 Bye')
                return
            else:
                self.say('250 2.0.0 Ok')

    def _data(self, sink, sender, recipients, identity):
        if not recipients:
            self.say('554 5.5.1 no valid recipients')
            return
        self.say('354 go ahead')
        text = []
        for line in self.rfile:
            if line in (b'.\r\n', b'.\n'):
                break
            text.append(line)
        else:
            return
        if sink.pass_on:
            self.say(sink.pass_on(sender, recipients, b''.join(text), identity))
            return
        replies = [sink.at_data[r.lower()] for r in recipients if r.lower() in sink.at_data]
        if not replies:
            sink.delivered.extend((sender, r) for r in recipients)
        self.say(replies[0] if replies else '250 2.0.0 Ok: taken by the sink')


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


class _Server6(_Server):
    address_family = socket.AF_INET6


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class Sink:
    """at_rcpt and at_data: recipient (lower case) -> reply; absent ones are accepted.
    host: an address, or the path of a Unix socket; LMTP for one recipient at a time."""

    def __init__(self, host='127.0.0.1'):
        self.greeting = '220 sink.test ESMTP'
        self.at_rcpt, self.at_data, self.delivered = {}, {}, []
        self.pass_on = None     # a content filter: (sender, recipients, text, first queue id) -> reply
        if host.startswith('/'):
            self._server = _UnixServer(host, _Session)
        else:
            self._server = (_Server6 if ':' in host else _Server)((host, 0), _Session)
            self.port = self._server.server_address[1]
        self._server.sink = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
