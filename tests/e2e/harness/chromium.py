"""A real browser, spoken to over a pipe by its own protocol: what a page looks like, measured and as a picture."""
import base64
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time

from .proc import LIMIT, tail

# It wants its commands from descriptor 3 and answers on 4.
START = 'import fcntl, os, sys; i, o = (fcntl.fcntl(int(x), fcntl.F_DUPFD, 10) for x in sys.argv[1:3]); ' \
        'os.dup2(i, 3); os.dup2(o, 4); os.execvp(sys.argv[3], sys.argv[3:])'


class Chromium:
    """Everything that it keeps is below directory."""

    def __init__(self, directory):
        if shutil.which('chromium') is None:
            raise AssertionError('chromium is missing: install chromium')
        self.directory = os.path.join(directory, 'chromium')
        os.makedirs(self.directory, exist_ok=True)
        there, self._out = os.pipe()
        self._in, back = os.pipe()
        with open(os.path.join(self.directory, 'chromium.log'), 'wb') as log:
            self._child = subprocess.Popen(
                [sys.executable, '-c', START, str(there), str(back), 'chromium', '--headless=new', '--no-sandbox', '--disable-gpu',
                 '--disable-dev-shm-usage', '--hide-scrollbars', '--no-first-run', '--disable-background-networking', '--disable-extensions',
                 '--disable-component-update', '--remote-debugging-pipe', '--user-data-dir=' + os.path.join(self.directory, 'profile'), 'about:blank'],
                pass_fds=(there, back), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=dict(os.environ, HOME=self.directory, XDG_CONFIG_HOME=self.directory, XDG_CACHE_HOME=self.directory, LC_ALL='C.UTF-8'))
        os.close(there)
        os.close(back)
        self._buffer, self._id, self.events = b'', 0, []

    def close(self):
        for fd in self._out, self._in:
            os.close(fd)
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._child.wait()

    def _message(self, end):
        while b'\0' not in self._buffer:
            if not select.select([self._in], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError('chromium does not answer')
            got = os.read(self._in, 1 << 20)
            if not got:
                with open(os.path.join(self.directory, 'chromium.log'), errors='replace') as log:
                    raise AssertionError('chromium ended:\n' + tail(log.read()))
            self._buffer += got
        text, self._buffer = self._buffer.split(b'\0', 1)
        return json.loads(text)

    def call(self, method, session=None, **params):
        self._id += 1
        message = {'id': self._id, 'method': method, 'params': params}
        if session:
            message['sessionId'] = session
        os.write(self._out, json.dumps(message).encode() + b'\0')
        end = time.monotonic() + LIMIT
        while True:
            answer = self._message(end)
            if answer.get('id') == self._id:
                if 'error' in answer:
                    raise AssertionError('%s: %s' % (method, answer['error']))
                return answer['result']
            self.events.append(answer)

    def wait_event(self, method, session, **params):
        end = time.monotonic() + LIMIT
        while not any(e.get('method') == method and e.get('sessionId') == session and params.items() <= e['params'].items() for e in self.events):
            self.events.append(self._message(end))

    def open(self, path, **settings):
        return Page(self, path, **settings)


class Page:
    """One file, at a width in pixels, in the light or in the dark."""

    def __init__(self, browser, path, width=1280, dark=False):
        self._browser = browser
        target = browser.call('Target.createTarget', url='about:blank')['targetId']
        self._session = browser.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in 'Page', 'Network', 'Runtime', 'Audits':
            self.call(domain + '.enable')
        self.call('Page.setLifecycleEventsEnabled', enabled=True)
        self.show(width, dark)
        loader = self.call('Page.navigate', url='file://' + os.path.abspath(path))['loaderId']
        # of this one: the empty page that was there before may have been loaded only now
        browser.wait_event('Page.lifecycleEvent', self._session, loaderId=loader, name='load')

    def call(self, method, **params):
        return self._browser.call(method, self._session, **params)

    def show(self, width, dark=False, media=''):
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call('Emulation.setEmulatedMedia', media=media, features=[{'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])

    def evaluate(self, script):
        result = self.call('Runtime.evaluate', expression=script, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in result:
            raise AssertionError(result['exceptionDetails'])
        return result['result'].get('value')

    def events(self, method):
        """What was told of it so far: the parameters of each."""
        self.call('Runtime.evaluate', expression='0')
        return [e['params'] for e in self._browser.events if e.get('method') == method and e.get('sessionId') == self._session]

    def pdf(self):
        return base64.b64decode(self.call('Page.printToPDF', printBackground=False, paperWidth=8.27, paperHeight=11.69)['data'])

    def picture(self, path, top=0, height=None, scale=1):
        """Of all of it, or of a part, as PNG."""
        size = self.call('Page.getLayoutMetrics')['cssContentSize']
        clip = {'x': 0, 'y': top, 'width': size['width'], 'height': height or size['height'] - top, 'scale': scale}
        with open(path, 'wb') as f:
            f.write(base64.b64decode(self.call('Page.captureScreenshot', clip=clip, captureBeyondViewport=True)['data']))
