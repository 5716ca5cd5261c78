"""nixie verp: signed return addresses, as nixie(1) describes them for other programs."""
import json
import os
import re

from harness.case import Case
from harness.nixie import BAD_CONFIG, NOT_FOUND, OK, REPOSITORY, USAGE, libconfig, run

BOUNCES = 'bounces+{recipient}-{sig}@news.example'
LEAVE = 'l.{sig}.{recipient}@news.example'
SECRET = '0123456789abcdef0123456789abcdef'
DAY = 20779  # 2026-11-22
SIGNED = 'bounces+user=example.com-ujlaydgc5cotyiome26@news.example'


def manual_example():
    """the program of nixie.1, and the address that stands behind it"""
    with open(os.path.join(REPOSITORY, 'ctl', 'nixie.1'), encoding='utf-8') as f:
        section = f.read().split('.Sh SIGNED ADDRESSES\n')[1].split('\n.Sh ')[0]
    program, address = re.findall(r'^\.Bd -literal -offset indent\n(.*?)^\.Ed', section, re.M | re.S)
    return program.replace('\\e', '\\'), address.strip()


class Verp(Case):
    def setUp(self):
        super().setUp()
        self.secrets = os.path.join(self.directory, 'secrets')
        self.conf = os.path.join(self.directory, 'verp.conf')
        self.write_secrets(SECRET)
        self.write_conf(('bounces', BOUNCES), ('unsubscribe', LEAVE), ('bounces', 'bounces+{recipient}@news.example'), ('complaints', 'fbl@news.example'))

    def write_secrets(self, *lines, mode=0o640):
        with open(self.secrets, 'w') as f:
            f.write(''.join(line + '\n' for line in lines))
        os.chmod(self.secrets, mode)

    def write_conf(self, *addresses, **more):
        with open(self.conf, 'w') as f:
            f.write('receive = %s;\n' % libconfig({'secret-file': self.secrets, 'addresses': tuple({'for': u, 'address': a} for u, a in addresses), **more}))

    def verp(self, *args, day=DAY, stdin=None):
        return run('nixie', '-c', self.conf, 'verp', *args, stdin=stdin, env={'NIXIE_CLOCK': str(day * 86400 + 3600)})

    def read(self, address, **kw):
        done = self.verp('--read', '--json', address, **kw)
        return done.returncode, json.loads(done.stdout)

    def test_the_program_of_the_manual_signs_as_nixie_does(self):
        program, address = manual_example()
        printed = []
        names = {'print': printed.append}
        exec(program, names)
        self.assertEqual((printed, address), ([SIGNED], SIGNED))
        for day in (DAY, 32767, 32768, 40000):
            for use, template in (('bounces', BOUNCES), ('unsubscribe', LEAVE)):
                for recipient in ('user@example.com', "o'brien+tag@x.example", 'a..b.@docomo.example', '.x@y.example', 'a=b~c@y.example', 'j\u00f6rg@y.example',
                                  'x@[192.0.2.1]', 'first_last-1@my-host.example'):
                    with self.subTest(day=day, use=use, recipient=recipient):
                        made = names['verp'](template, use, SECRET.encode(), recipient, day)
                        quoted = '"%s"@%s' % tuple(recipient.rsplit('@', 1)) if '..' in recipient or recipient[0] == '.' else recipient
                        self.assertEqual(self.verp('--for', use, quoted, day=day).stdout, made + '\n')
                        self.assertEqual(self.read(made.upper(), day=day)[1]['recipient'], recipient)
        # capitals and IDN in any spelling are read as what they are
        status, row = self.read(names['verp'](BOUNCES, 'bounces', SECRET.encode(), 'User@B\u00fccher.example', DAY))
        self.assertEqual((status, row['recipient']), (OK, 'user@xn--bcher-kva.example'))

    def test_for_a_mail_merge(self):
        done = self.verp('-', stdin='User@Example.com\nno address\n%s@example.com\r\nlast@example.com' % ('x' * 40))
        self.assertEqual(done.returncode, NOT_FOUND)
        lines = done.stdout.split('\n')
        self.assertEqual(lines[:3], [SIGNED, '', ''])
        self.assertRegex(lines[3], r'^bounces\+last=example\.com-[a-z2-7]{19}@news\.example$')
        self.assertIn('no address: ', done.stderr)
        self.assertIn('longer than 64 bytes', done.stderr)
        rows = [json.loads(line) for line in self.verp('--json', '-', stdin='user@example.com\nx\n').stdout.splitlines()]
        self.assertEqual(rows[0], {'recipient': 'user@example.com', 'address': SIGNED})
        self.assertEqual(sorted(rows[1]), ['problem', 'recipient'])

    def test_what_an_address_says(self):
        for address, result, more in (
                (SIGNED, 'signed', {'recipient': 'user@example.com', 'for': 'bounces', 'day': '2026-11-22', 'template': BOUNCES}),
                ('SRS0=HHHH=TT=news.example=%s@f.example' % SIGNED.split('@')[0], 'signed', {'recipient': 'user@example.com'}),
                (SIGNED.replace('user', 'other'), 'forged', {'recipient': 'other@example.com'}),
                ('bounces+user=example.com@news.example', 'unsigned', {'recipient': 'user@example.com'}),
                ('fbl@news.example', 'plain', {'for': 'complaints'}),
                ('postmaster@news.example', 'none', {})):
            with self.subTest(address=address):
                status, row = self.read(address)
                self.assertEqual((status, row['result']), (OK if result == 'signed' else NOT_FOUND, result))
                self.assertEqual({name: row.get(name) for name in more}, more)
        self.assertEqual(self.read(SIGNED, day=DAY + 91)[1]['result'], 'expired')
        shown = self.verp('--read', SIGNED)
        self.assertEqual(shown.stdout.split('\n')[:2], ['signed: the signature is right', '  recipient user@example.com'])

    def test_one_secret_follows_another(self):
        fresh = run('nixie', '-c', '/dev/null', 'verp', '--new-secret').stdout.strip()
        self.assertRegex(fresh, r'^[0-9a-f]{64}$')
        self.assertNotEqual(run('nixie', '-c', '/dev/null', 'verp', '--new-secret').stdout.strip(), fresh)
        self.write_secrets(fresh, SECRET)
        newer = self.verp('user@example.com').stdout.strip()
        self.assertNotEqual(newer, SIGNED)
        self.assertEqual([self.read(a)[0] for a in (newer, SIGNED)], [OK, OK])
        self.write_secrets(fresh)
        self.assertEqual([self.read(a)[0] for a in (newer, SIGNED)], [OK, NOT_FOUND])

    def test_what_is_wrong_is_told(self):
        self.write_secrets(SECRET, mode=0o644)
        done = self.verp('user@example.com')
        self.assertEqual((done.returncode, done.stdout), (BAD_CONFIG, ''))
        self.assertIn('type: chmod o-rwx %s' % self.secrets, done.stderr)
        os.unlink(self.secrets)
        self.assertEqual(self.verp('user@example.com').returncode, BAD_CONFIG)
        self.write_conf(('bounces', 'bounces+{recipient}@news.example'), **{'secret-file': ''})
        done = self.verp('user@example.com')
        self.assertEqual(done.returncode, BAD_CONFIG)
        self.assertIn('receive.addresses has no address for bounces with {sig} in it; write one', done.stderr)
        self.assertEqual(self.read('bounces+user=example.com@news.example')[1]['result'], 'unsigned')
        self.assertEqual(self.verp('--for', 'letters', 'user@example.com').returncode, USAGE)
