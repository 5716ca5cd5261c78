"""An SMTP server that delivers nothing; the test chooses its reply for each recipient."""
import re
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
        recipients, sender = [], None
        self.say('220 sink.test ESMTP')
        for line in self.rfile:
            line = line.decode('utf-8', 'surrogateescape').rstrip('\r\n')
            verb = line[:4].upper()
            if verb == 'EHLO':
                self.say('250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n'
                         '250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES')
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
                self._data(sink, sender, recipients)
            elif verb == 'QUIT':
                self.say('221 2.0.0 Bye')
                return
            else:
                self.say('250 2.0.0 Ok')

    def _data(self, sink, sender, recipients):
        if not recipients:
            self.say('554 5.5.1 no valid recipients')
            return
        self.say('354 go ahead')
        for line in self.rfile:
            if line in (b'.\r\n', b'.\n'):
                break
        else:
            return
        replies = [sink.at_data[r.lower()] for r in recipients if r.lower() in sink.at_data]
        if not replies:
            sink.delivered.extend((sender, r) for r in recipients)
        self.say(replies[0] if replies else '250 2.0.0 Ok: taken by the sink')


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


class Sink:
    """at_rcpt and at_data: recipient (lower case) -> reply; absent ones are accepted."""

    def __init__(self):
        self.at_rcpt, self.at_data, self.delivered = {}, {}, []
        self._server = _Server(('127.0.0.1', 0), _Session)
        self._server.sink = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
