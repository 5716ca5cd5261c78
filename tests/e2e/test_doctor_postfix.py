"""nixie doctor and Postfix: each fault in main.cf, master.cf and the rights of the sockets, made for real."""
import os
import pwd
import re
import socket
import subprocess
import tempfile

from harness.exim import Exim
from harness.mounts import Mounts
from harness.nixie import NOT_FOUND, OK
from harness.postfix import Postfix
from harness.proc import free_port
from test_doctor import GOOD, Doctor

FAULTS = NOT_FOUND
QUESTION = 'check_policy_service { unix:nixie/policy, timeout=10s, default_action=DUNNO }'


class PostfixDoctor(Doctor):
    """A Postfix that is set up, and not started: the doctor reads what it would do."""

    def setUp(self):
        super().setUp()
        self.with_redis(*GOOD)
        self.postfix = Postfix(self.directory, free_port(), self.site.log_path)
        self.site.options['policyd']['listen'] = ['unix:' + self.postfix.policy_path]
        self.site.options['policyd']['socket-mode'] = '0666'
        self.site.write_conf()
        open(self.site.log_path, 'w').close()

    def start(self):
        self.site.policyd()

    def set(self, **parameters):
        self.postfix.edit('-e', *('%s=%s' % item for item in parameters.items()))

    def master(self, *args):
        self.postfix.edit(*args)

    def value(self, name):
        return subprocess.run(['postconf', '-c', self.postfix.etc, '-h', name], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def examine(self, status=None, prefix=(), **kwargs):
        return self.doctor('doctor', '--postfix', self.postfix.etc, '--exim', 'none', status=status, verb=False, prefix=prefix, **kwargs)

    def type(self, finding):
        """What it says, but for the reload: this Postfix does not run."""
        line = finding['advice'].replace('postfix -c %s reload' % self.postfix.etc, 'true').replace('postfix reload', 'true').replace('systemctl', 'true systemctl')
        subprocess.run(['sh', '-ec', line], check=True)
        self.postfix.cool()


class Questions(PostfixDoctor):
    def test_as_the_snippet_has_it(self):
        self.start()
        found = self.examine(status=OK)
        self.assertEqual(self.faults(found), [])
        self.only(found, 'postfix', 'ok', 'asks first, in smtpd_recipient_restrictions')
        self.only(found, 'socket', 'ok', 'user postfix reaches', self.postfix.policy_path)
        self.only(found, 'question', 'ok', 'DUNNO')
        self.only(found, 'maillog', 'ok', self.site.log_path)

    def test_does_not_ask(self):
        self.start()
        for old in ('', 'permit_mynetworks, reject_unauth_destination', "check_recipient_access inline:{ x='y' }, $smtpd_relay_restrictions"):
            with self.subTest(old=old):
                self.set(smtpd_recipient_restrictions=old)
                finding = self.only(self.examine(status=FAULTS), 'postfix', 'warning', 'does not ask nixie-policyd')
                self.type(finding)
                self.assertEqual(self.value('smtpd_recipient_restrictions'), QUESTION + (', ' + old if old else ''))
                self.examine(status=OK)

    def test_behind_a_permit(self):
        self.start()
        self.set(smtpd_recipient_restrictions='permit_mynetworks, %s, reject_unauth_destination' % QUESTION)
        finding = self.only(self.examine(status=FAULTS), 'postfix', 'warning', 'asks behind permit_mynetworks', 'newsletters')
        self.type(finding)
        self.assertEqual(self.value('smtpd_recipient_restrictions'), QUESTION + ', permit_mynetworks, reject_unauth_destination')
        self.examine(status=OK)

    def test_behind_what_does_not_permit(self):
        self.start()
        self.set(smtpd_recipient_restrictions='reject_non_fqdn_recipient, check_recipient_access inline:{permit_x=y}, %s' % QUESTION)
        self.only(self.examine(status=OK), 'postfix', 'ok', 'asks first')

    def test_in_another_list(self):
        self.start()
        self.set(smtpd_recipient_restrictions='permit_mynetworks', smtpd_relay_restrictions='check_policy_service unix:%s, permit_mynetworks, '
                 'defer_unauth_destination' % self.postfix.policy_path)
        self.only(self.examine(), 'postfix', 'ok', 'smtpd_relay_restrictions')

    def test_before_there_is_a_recipient(self):
        self.start()
        self.set(smtpd_recipient_restrictions='permit_mynetworks', smtpd_client_restrictions=QUESTION)
        self.only(self.examine(status=OK), 'postfix', 'ok', 'asks first, in smtpd_client_restrictions')
        self.set(smtpd_delay_reject='no')
        finding = self.only(self.examine(status=FAULTS), 'postfix', 'error', 'smtpd_client_restrictions', 'before there is a recipient')
        self.type({'advice': finding['advice'].split(';')[0]})
        self.only(self.examine(status=OK), 'postfix', 'ok', 'asks first')
        self.set(smtpd_delay_reject='no', smtpd_recipient_restrictions='%s, permit_mynetworks' % QUESTION)
        self.only(self.examine(status=OK), 'postfix', 'ok', 'asks first, in smtpd_recipient_restrictions')

    def test_only_warns(self):
        self.start()
        self.set(smtpd_recipient_restrictions='warn_if_reject %s, permit_mynetworks' % QUESTION)
        finding = self.only(self.examine(status=FAULTS), 'postfix', 'warning', 'behind warn_if_reject', 'nothing is refused')
        self.type(finding)
        self.assertEqual(self.value('smtpd_recipient_restrictions'), QUESTION + ', permit_mynetworks')
        self.examine(status=OK)

    def test_a_brace_that_is_not_closed(self):
        self.start()
        behind = 'check_recipient_access inline:{ x=y }, permit_mynetworks, reject'
        for comma in ', ', ' , ', ' ':
            with self.subTest(comma=comma):
                self.set(smtpd_recipient_restrictions=QUESTION[:-2] + comma + behind)
                finding = self.only(self.examine(status=FAULTS), 'postfix', 'error', 'never closed', 'smtpd_recipient_restrictions')
                self.type(finding)
                self.assertEqual(self.value('smtpd_recipient_restrictions'), QUESTION + ', ' + behind)
                self.examine(status=OK)
        self.set(smtpd_sender_restrictions='check_sender_access inline:{ x=y, reject')
        self.only(self.examine(status=FAULTS), 'postfix', 'error', 'inline:{ x=y, reject', 'smtpd_sender_restrictions', 'close it')

    def test_another_socket(self):
        self.start()
        self.set(smtpd_recipient_restrictions='check_policy_service unix:nixie/elsewhere, permit_mynetworks')
        finding = self.only(self.examine(status=FAULTS), 'postfix', 'error', 'spool/nixie/elsewhere', 'policyd.listen')
        self.type(finding)
        self.assertEqual(self.value('smtpd_recipient_restrictions'), QUESTION + ', permit_mynetworks')
        self.examine(status=OK)

    def listener(self, name):
        path = os.path.join(self.postfix.spool, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        other = socket.socket(socket.AF_UNIX)
        self.addCleanup(other.close)
        other.bind(path)
        other.listen()
        return other, path

    def type_if_ours(self, finding):
        line = re.fullmatch('if it is to be nixie-policyd: (.*); if it is to be another policy service.*', finding['advice']).group(1)
        self.type({'advice': line})

    def test_another_daemon_is_not_ours(self):
        self.start()
        other, _ = self.listener('private/postgrey')
        old = 'check_policy_service unix:private/postgrey, permit_mynetworks'
        self.set(smtpd_recipient_restrictions=old)
        self.type(self.only(self.examine(status=FAULTS), 'postfix', 'warning', 'does not ask'))
        self.assertEqual(self.value('smtpd_recipient_restrictions'), QUESTION + ', ' + old)
        self.examine(status=OK)
        other.close()
        finding = self.only(self.examine(status=FAULTS), 'postfix', 'error', 'unix:private/postgrey', 'nothing answers', 'start that one')
        self.assertNotIn('postconf', finding['advice'])
        self.master('-Me', 'postgrey/unix=postgrey unix - n n - 0 spawn user=nobody argv=/bin/false')
        self.examine(status=OK)  # it is there when Postfix is

    def test_a_port_where_nobody_is(self):
        self.start()
        port = free_port()
        for old in 'inet:127.0.0.1:%d' % port, '{ inet:localhost:%d, timeout=10s, default_action=DUNNO }' % port, 'inet:%d' % port:
            with self.subTest(old=old):
                self.set(smtpd_recipient_restrictions='check_policy_service %s, permit_mynetworks' % old)
                finding = self.only(self.examine(status=FAULTS), 'postfix', 'error', ':%d' % port, 'nothing answers', 'DUNNO' if 'DUNNO' in old else '451')
                self.type_if_ours(finding)
                self.assertEqual(self.value('smtpd_recipient_restrictions'), QUESTION + ', permit_mynetworks')
                self.examine(status=OK)

    def test_hidden_by_the_chroot(self):
        path = os.path.join(self.directory, 'policy')
        self.site.options['policyd']['listen'] = ['unix:' + path, 'unix:' + self.postfix.policy_path]
        self.site.write_conf()
        self.start()
        elsewhere = tempfile.TemporaryDirectory(prefix='other-')  # a path that does not look like nixie's
        self.addCleanup(elsewhere.cleanup)
        _, other = self.listener(os.path.join(elsewhere.name, 'policy'))
        self.master('-F', '127.0.0.1:%d/inet/chroot=y' % self.postfix.port)
        for name, type_it in (path, self.type), (other, self.type_if_ours):
            self.set(smtpd_recipient_restrictions='check_policy_service { unix:%s, timeout=10s }, permit_mynetworks' % name)
            finding = self.only(self.examine(status=FAULTS), 'postfix', 'error', 'chroot hides', name)
            type_it(finding)
            self.assertEqual(self.value('smtpd_recipient_restrictions'), QUESTION + ', permit_mynetworks')
            self.examine(status=OK)

    def classes(self, nix, recipients='nix, permit_mynetworks, reject'):
        self.set(smtpd_restriction_classes='other, nix', nix=nix, other='reject', smtpd_recipient_restrictions=recipients)

    def test_restriction_classes(self):
        self.start()
        self.classes(QUESTION)
        self.only(self.examine(status=OK), 'postfix', 'ok', 'asks first')
        for nix, text in ((QUESTION.replace('DUNNO', 'OK'), 'permits all'), (QUESTION.replace('nixie/policy', 'nixie/elsewhere'), 'elsewhere'),
                          ('permit_mynetworks, ' + QUESTION, 'behind permit_mynetworks'), (QUESTION[:-2], 'never closed'),
                          ('warn_if_reject ' + QUESTION, 'behind warn_if_reject')):
            with self.subTest(nix=nix):
                self.classes(nix + ', reject_non_fqdn_recipient')
                found = self.examine(status=FAULTS)
                about = [f for f in found['postfix'] + found.get('question', []) if text in f['text']]
                self.assertEqual(len(about), 1, found)
                self.type(about[0])
                self.assertEqual(self.value('nix').replace('permit_mynetworks, ', '').replace(', permit_mynetworks', ''), QUESTION + ', reject_non_fqdn_recipient')
                self.assertEqual(self.value('smtpd_recipient_restrictions'), 'nix, permit_mynetworks, reject')
                self.examine(status=OK)

    def test_a_class_behind_a_permit(self):
        self.start()
        for old, new in (('permit_mynetworks, check_client_access inline:{nix=nix}, nix, reject', 'permit_mynetworks, check_client_access inline:{nix=nix}, reject'),
                         ('warn_if_reject nix, reject', 'reject')):
            with self.subTest(old=old):
                self.classes(QUESTION, old)
                self.type(self.only(self.examine(status=FAULTS), 'postfix', 'warning', 'behind'))
                self.assertEqual(self.value('smtpd_recipient_restrictions'), 'nix, ' + new)
                self.examine(status=OK)

    def test_a_port(self):
        port = free_port()
        self.site.options['policyd']['listen'] = ['inet:127.0.0.1:%d' % port]
        self.site.write_conf()
        self.start()
        self.set(smtpd_recipient_restrictions='check_policy_service { inet:localhost:%d, timeout=10s }, permit_mynetworks' % port)
        found = self.examine()
        self.only(found, 'postfix', 'ok', 'asks first')
        self.assertNotIn('socket', found)
        self.set(smtpd_recipient_restrictions='permit_mynetworks')
        self.assertIn('inet:127.0.0.1:%d' % port, self.only(self.examine(), 'postfix', 'warning')['advice'])

    def test_each_service(self):
        self.start()
        with open(os.path.join(self.postfix.etc, 'master.cf'), 'a') as f:
            f.write('submission inet n - n - - smtpd\n  -o smtpd_recipient_restrictions=\n'
                    '127.0.0.1:10026 inet n - n - - smtpd\n  -o smtpd_recipient_restrictions=permit_mynetworks,reject\n')
        found = self.examine(status=FAULTS)
        finding = self.only(found, 'postfix', 'warning', 'service submission does not ask')
        self.assertIn('content filter', str([f['text'] for f in found['postfix']]))
        self.type(finding)
        self.assertIn('submission/inet/smtpd_recipient_restrictions = ' + QUESTION,
                      subprocess.run(['postconf', '-c', self.postfix.etc, '-Px'], check=True, stdout=subprocess.PIPE, text=True).stdout)
        self.examine(status=OK)

    def test_timeout(self):
        self.start()
        self.set(smtpd_recipient_restrictions='check_policy_service { unix:nixie/policy, default_action=DUNNO }, permit_mynetworks')
        finding = self.only(self.examine(status=FAULTS), 'question', 'warning', '100s')
        self.type(finding)
        self.assertEqual(self.value('smtpd_recipient_restrictions'), QUESTION + ', permit_mynetworks')
        self.set(smtpd_recipient_restrictions='check_policy_service unix:nixie/policy, permit_mynetworks', smtpd_policy_service_timeout='5s')
        self.only(self.examine(status=FAULTS), 'question', 'warning', '451 4.3.5', 'all mail waits')
        self.set(smtpd_policy_service_default_action='421 later')
        self.only(self.examine(status=OK), 'question', 'ok', '421', 'all mail waits')

    def test_default_action(self):
        self.start()
        self.set(smtpd_policy_service_default_action='550 no')
        self.only(self.examine(status=OK), 'question', 'ok')
        self.set(smtpd_recipient_restrictions='check_policy_service { unix:nixie/policy, timeout=10s }')
        self.only(self.examine(status=FAULTS), 'question', 'error', '550 no', 'refuses all mail')

    def test_an_action_that_permits(self):
        self.start()
        for action in 'OK', 'permit', 'PERMIT_mynetworks', '250':
            with self.subTest(action=action):
                self.set(smtpd_recipient_restrictions=QUESTION.replace('DUNNO', action) + ', reject')
                finding = self.only(self.examine(status=FAULTS), 'question', 'error', 'permits all', 'default_action=' + action)
                self.type(finding)
                self.assertEqual(self.value('smtpd_recipient_restrictions'), QUESTION + ', reject')
        self.examine(status=OK)
        self.set(smtpd_relay_restrictions=QUESTION.replace('DUNNO', 'OK') + ', permit_mynetworks, defer_unauth_destination')
        self.type(self.only(self.examine(status=FAULTS), 'question', 'error', 'open relay'))
        self.examine(status=OK)

    def test_one_service_waits(self):
        self.start()
        with open(os.path.join(self.postfix.etc, 'master.cf'), 'a') as f:
            f.write('submission inet n - n - - smtpd\n  -o { smtpd_recipient_restrictions=check_policy_service { unix:nixie/policy, timeout=10s }, reject }\n')
        found = self.examine(status=FAULTS)
        self.assertEqual([f['level'] for f in found['question']], ['ok', 'warning'])
        self.type(found['question'][1])
        self.examine(status=OK)

    def test_one_try(self):
        self.start()
        self.set(smtpd_policy_service_try_limit='1')
        finding = self.only(self.examine(status=FAULTS), 'question', 'warning', 'smtpd_policy_service_try_limit')
        self.assertTrue(finding['advice'].endswith('postfix -c %s reload' % self.postfix.etc), finding)
        self.type(finding)
        self.assertEqual(self.value('smtpd_policy_service_try_limit'), '2')

    def test_cannot_be_read(self):
        self.start()
        os.unlink(os.path.join(self.postfix.etc, 'main.cf'))
        self.only(self.examine(status=FAULTS), 'postfix', 'error', 'postconf -c ' + self.postfix.etc)

    def test_left_out(self):
        self.start()
        self.assertNotIn('postfix', self.doctor('doctor', '--postfix', 'none', '--exim', 'none', verb=False, status=OK))


class Reach(PostfixDoctor):
    def test_a_directory_on_the_way(self):
        self.start()
        os.chmod(self.postfix.spool, 0o700)
        finding = self.only(self.examine(status=FAULTS), 'socket', 'error', 'user postfix may not enter ' + self.postfix.spool, '0700')
        self.type(finding)
        self.only(self.examine(status=OK), 'socket', 'ok')

    def test_the_directory_of_the_socket(self):
        self.start()
        os.chmod(os.path.dirname(self.postfix.policy_path), 0o2750)
        finding = self.only(self.examine(status=FAULTS), 'socket', 'error', 'may not enter', '2750')
        self.assertIn('install -d -o nixie -g postfix -m 2750 ' + os.path.dirname(self.postfix.policy_path), finding['advice'])
        os.chown(os.path.dirname(self.postfix.policy_path), -1, pwd.getpwnam('postfix').pw_gid)
        self.only(self.examine(status=OK), 'socket', 'ok')

    def test_the_mode_of_the_socket(self):
        self.site.options['policyd']['socket-mode'] = '0660'
        self.site.write_conf()
        self.start()
        finding = self.only(self.examine(status=FAULTS), 'socket', 'error', 'may not write to ' + self.postfix.policy_path, '0660')
        self.assertIn('chgrp postfix', finding['advice'])
        os.chown(self.postfix.policy_path, -1, pwd.getpwnam('postfix').pw_gid)
        self.only(self.examine(status=OK), 'socket', 'ok')

    def test_no_directory(self):
        self.site.options['policyd']['listen'] = ['unix:%s/nixie-here/policy' % self.postfix.spool]
        self.site.write_conf()
        self.set(smtpd_recipient_restrictions=QUESTION.replace('nixie/', 'nixie-here/'))
        found = self.examine(status=FAULTS)
        self.only(found, 'socket', 'error', 'there is no directory', 'nixie-here', 'install -d')
        self.only(found, 'policyd', 'warning', 'No such file')

    def test_chroot(self):
        self.start()
        self.master('-F', '127.0.0.1:%d/inet/chroot=y' % self.postfix.port)
        self.only(self.examine(status=OK), 'socket', 'ok', 'also in the chroot')
        self.set(smtpd_recipient_restrictions='check_policy_service { unix:%s, timeout=10s }' % self.postfix.policy_path)
        finding = self.only(self.examine(status=FAULTS), 'postfix', 'error', 'in its chroot', self.postfix.spool + self.postfix.policy_path)
        self.type(finding)
        self.examine(status=OK)

    def test_outside_of_the_chroot(self):
        self.site.options['policyd']['listen'] = ['unix:%s/policy' % self.directory]
        self.site.write_conf()
        self.start()
        self.set(smtpd_recipient_restrictions='permit_mynetworks')
        self.master('-F', '127.0.0.1:%d/inet/chroot=y' % self.postfix.port)
        finding = self.only(self.examine(status=FAULTS), 'postfix', 'warning', 'does not ask')
        self.assertIn('listen = [ "unix:%s/nixie/policy" ]' % self.postfix.spool, finding['advice'])

    def test_not_as_root(self):
        self.start()
        os.chmod(self.directory, 0o755)
        os.chmod(os.path.dirname(self.postfix.policy_path), 0o700)
        os.chown(os.path.dirname(self.postfix.policy_path), pwd.getpwnam('nobody').pw_uid, -1)
        found = self.examine(prefix=['setpriv', '--reuid', 'nobody', '--clear-groups', '--'], stderr=True)
        self.only(found, 'socket', 'error', 'may not enter', '0700', 'by the modes')


class Maps(PostfixDoctor):
    def maps(self):
        self.site.options['policyd']['maps'] = ['unix:%s/nixie/maps' % self.postfix.spool]
        self.site.write_conf()

    def test_asked_and_answered(self):
        self.maps()
        self.start()
        self.set(transport_maps='socketmap:unix:nixie/maps:transport, hash:/etc/postfix/transport')
        found = self.examine(status=OK)
        self.assertEqual([f['level'] for f in found['maps']], ['ok', 'ok'])
        self.assertIn('user postfix reaches', str(found['maps']))

    def test_not_served(self):
        self.start()
        self.set(transport_maps='socketmap:unix:nixie/maps:transport')
        finding = self.only(self.examine(status=FAULTS), 'maps', 'error', 'transport_maps', 'all mail waits')
        self.assertIn('maps = [ "unix:%s/nixie/maps" ]' % self.postfix.spool, finding['advice'])

    def test_not_reached(self):
        self.maps()
        self.site.options['policyd']['socket-mode'] = '0660'
        self.site.write_conf()
        self.start()
        self.set(smtp_delivery_status_filter='socketmap:unix:nixie/maps:status')
        self.only(self.examine(status=FAULTS), 'maps', 'error', 'smtp_delivery_status_filter', '0660')

    def test_not_used(self):
        self.maps()
        self.start()
        self.assertIn('asks none of policyd.maps', str(self.examine(status=OK)['maps']))

    def test_away(self):
        self.maps()
        self.only(self.examine(status=FAULTS), 'maps', 'warning', 'systemctl enable --now nixie-policyd')


class Log(PostfixDoctor):
    def test_another_file(self):
        self.start()
        other = os.path.join(self.directory, 'other.log')
        self.set(maillog_file=other)
        self.only(self.examine(status=FAULTS), 'maillog', 'error', other, 'files = [ "%s" ]' % other)
        self.site.options['logtail'] = {**self.site.options.get('logtail', {}), 'files': [self.directory + '/*.log']}
        self.site.write_conf()
        open(other, 'w').close()
        self.only(self.examine(), 'maillog', 'ok', other)

    def test_no_postlogd(self):
        self.start()
        self.master('-MX', 'postlog/unix-dgram')
        finding = self.only(self.examine(status=FAULTS), 'maillog', 'error', 'postlogd')
        self.assertIn('postfix -c %s reload' % self.postfix.etc, finding['advice'])
        self.type(finding)
        self.only(self.examine(status=OK), 'maillog', 'ok')

    def test_facility(self):
        self.start()
        self.set(maillog_file='', syslog_facility='local3')
        finding = self.only(self.examine(status=FAULTS), 'maillog', 'warning', 'local3')
        self.assertIn('postconf -c %s -e syslog_facility=mail && postfix -c %s reload;' % (self.postfix.etc, self.postfix.etc), finding['advice'])
        self.set(syslog_facility='mail')
        self.only(self.examine(), 'maillog', 'ok', 'facility mail')

    def test_rates(self):
        self.start()
        self.set(maillog_file='')
        run = os.path.join(self.directory, 'run')
        conf = os.path.join(run, 'systemd/journald.conf.d/test.conf')
        os.makedirs(os.path.join(run, 'systemd/journal'))
        os.makedirs(os.path.dirname(conf))
        open(os.path.join(run, 'systemd/journal/socket'), 'w').close()
        mounts = Mounts(self.directory, '--bind', run, '/run')
        self.addCleanup(mounts.stop)
        self.only(self.examine(status=FAULTS, prefix=mounts.prefix), 'ratelimit', 'warning', '10000', '30s', 'RateLimitIntervalSec=0')
        with open(conf, 'w') as f:
            f.write('[Journal]\nRateLimitIntervalSec = 0\n')
        self.only(self.examine(status=OK, prefix=mounts.prefix), 'ratelimit', 'ok')

    def test_rsyslog(self):
        self.start()
        self.set(maillog_file='')
        etc = os.path.join(self.directory, 'rsyslog.d')
        os.mkdir(etc)
        script = 'mkdir -p "$1/etc" && cp -a /etc/. "$1/etc/" && mount --bind "$1/etc" /etc'
        for text, warns in (('module(load="imuxsock" SysSock.RateLimit.Interval="5")', True), ('$SystemLogRateLimitInterval 2', True),
                            ('#$SystemLogRateLimitInterval 2', False), ('module(load="imuxsock" SysSock.RateLimit.Interval="0")', False)):
            with self.subTest(text=text):
                with open(os.path.join(etc, 'rsyslog.conf'), 'w') as f:
                    f.write(text + '\n')
                found = self.examine(prefix=['unshare', '-m', 'sh', '-c', script + ' && cp "$2" /etc/rsyslog.conf && shift 2 && exec "$@"', 'sh',
                                             self.directory, os.path.join(etc, 'rsyslog.conf')])
                limited = [f for f in found.get('ratelimit', []) if '/etc/rsyslog.conf' in f['text']]
                self.assertEqual(len(limited), warns)


class Reader(PostfixDoctor):
    """What the user of nixie-logtail's service may read: with a user nixie of the test's own."""
    SCRIPT = 'cp -a /etc/. "$1" && echo "nixie:x:4242:4242::/:/bin/false" >>"$1/passwd" && mount --bind "$1" /etc && shift && exec "$@"'

    def as_installed(self, **kwargs):
        etc = os.path.join(self.directory, 'etc')
        os.makedirs(etc, exist_ok=True)
        return self.examine(prefix=['unshare', '-m', 'sh', '-c', self.SCRIPT, 'sh', etc], **kwargs)

    def test_the_log(self):
        self.start()
        os.chmod(self.site.log_path, 0o640)
        finding = self.only(self.as_installed(status=FAULTS), 'log', 'error', 'user nixie', 'may not read ' + self.site.log_path)
        self.type({'advice': finding['advice'].split(', and')[0]})
        self.as_installed(status=OK)

    def test_a_directory(self):
        self.start()
        os.mkdir(os.path.join(self.directory, 'log'), 0o700)
        path = os.path.join(self.directory, 'log', 'mail.log')
        open(path, 'w').close()
        self.site.options['logtail'] = {**self.site.options.get('logtail', {}), 'files': [path]}
        self.site.write_conf()
        self.set(maillog_file=path)
        finding = self.only(self.as_installed(status=FAULTS), 'log', 'error', 'may not enter ' + os.path.dirname(path))
        self.type(finding)
        self.as_installed(status=OK)


class EximDoctor(Doctor):
    def setUp(self):
        super().setUp()
        self.with_redis(*GOOD)
        self.exim = Exim(self.directory, self.site.policy_path, 25)
        self.site.options['logtail'] = {**self.site.options.get('logtail', {}), 'files': [self.exim.log_path]}
        self.site.write_conf()
        open(self.exim.log_path, 'w').close()
        self.site.policyd()

    def examine(self, status=None):
        environment = ['env', 'PATH=%s:%s' % (os.path.dirname(self.exim.program), os.environ['PATH'])]
        return self.doctor('doctor', '--postfix', 'none', '--exim', self.exim.conf, verb=False, prefix=environment, status=status)

    def test_as_it_should_be(self):
        self.exim.configure(log='log_selector = +received_recipients')
        found = self.examine(status=OK)
        self.only(found, 'exim', 'ok', self.site.policy_path)
        self.only(found, 'maillog', 'ok', self.exim.log_path)

    def test_faults(self):
        self.assertIn('received_recipients', str(self.examine(status=FAULTS)['maillog'][1]))
        self.exim.configure(log='log_selector = +received_recipients', socket='/elsewhere/policy')
        self.only(self.examine(status=FAULTS), 'exim', 'error', 'NIXIE_SOCKET')
        self.exim.configure(log='log_selector = +received_recipients', dir=self.directory)
        self.only(self.examine(status=FAULTS), 'maillog', 'error', self.directory + '/log/mainlog')
        nothing = os.path.join(self.directory, 'nothing')
        open(nothing, 'w').close()
        self.exim.configure(log='log_selector = +received_recipients', snippet=nothing, ask=nothing, router=nothing)
        found = self.examine(status=FAULTS)
        self.only({'exim': found['exim']}, 'exim', 'warning', 'nixie-acl.conf')
        with open(self.exim.conf, 'w') as f:
            f.write('nonsense\n')
        self.only(self.examine(status=FAULTS), 'exim', 'error', 'exim4 -bV')

    def test_rights(self):
        self.exim.configure(log='log_selector = +received_recipients')
        os.chmod(self.site.policy_path, 0o600)
        self.only(self.examine(status=FAULTS), 'exim', 'error', 'Debian-exim may not connect', self.site.policy_path)
