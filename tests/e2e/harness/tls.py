"""Certificates for the tests: a CA, and what it vouches for."""
import os
import subprocess


def openssl(*args):
    done = subprocess.run(['openssl', *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise AssertionError('openssl %s: %s' % (' '.join(args), done.stdout.decode('utf-8', 'replace')))


class Authority:
    def __init__(self, directory, name='ca'):
        self.directory, self.name = directory, name
        self.ca = self.path(name + '.pem')
        self._key = self.path(name + '.key')
        openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3650',
                '-subj', '/CN=' + name, '-keyout', self._key, '-out', self.ca)

    def path(self, name):
        return os.path.join(self.directory, name)

    def issue(self, name, names):
        """Paths of a certificate for these ('IP:127.0.0.1,DNS:redis.example') and of its key."""
        request, cert, key, extensions = [self.path(self.name + '-' + name + end) for end in ('.csr', '.pem', '.key', '.ext')]
        with open(extensions, 'w') as f:
            f.write('subjectAltName=' + names + '\n')
        openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=' + name,
                '-keyout', key, '-out', request)
        openssl('x509', '-req', '-in', request, '-CA', self.ca, '-CAkey', self._key, '-CAcreateserial', '-days', '3650',
                '-extfile', extensions, '-out', cert)
        return cert, key
