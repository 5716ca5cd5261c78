"""Mail that comes back, as servers and programs write it; each function returns the bytes of one."""
import email.utils
import itertools

_serial = itertools.count(1)

NO_SUCH_USER = 'smtp; 550 5.1.1 <{to}>: Recipient address rejected: User unknown'


def _head(to, subject, headers=(), sender='MAILER-DAEMON@mx.reader.example', received=None):
    lines = ['Return-Path: <>']
    if received:
        lines.append('Received: by mx.shop.example (Postfix) id 4Xq; ' + email.utils.formatdate(received))
    lines += ['From: ' + sender, 'To: ' + to, 'Subject: ' + subject, 'Date: ' + email.utils.formatdate(),
              'Message-ID: <returned-%d@mx.reader.example>' % next(_serial)]
    return lines + ['%s: %s' % h for h in headers] + ['MIME-Version: 1.0']


def _report(kind, head, fields, original):
    """fields: the blocks of the machine's part, each a list of (name, value)."""
    blocks = '\n\n'.join('\n'.join('%s: %s' % f for f in block) for block in fields)
    quoted = '\n'.join('%s: %s' % h for h in original)
    text = '\n'.join(head + [
        'Content-Type: multipart/report; report-type=%s; boundary="b"' % kind, '', '--b', '', 'What this is about.', '',
        '--b', 'Content-Type: message/' + kind, '', blocks, '', '--b', 'Content-Type: message/rfc822', '', quoted, '', 'Hello', '--b--', ''])
    return text.encode()


def original(message_id, *headers, sender='news@shop.example', to='reader@reader.example'):
    """The headers of the message that it is about."""
    return [('Return-Path', '<%s>' % sender), ('From', sender), ('To', to), ('Message-ID', message_id), ('Subject', 'News')] + list(headers)


def dsn(recipients, about, to='bounces@shop.example', headers=(), received=None):
    """recipients: (final, action, status, diagnostic) each, or with a fifth: the original one; about: original()."""
    blocks = [[('Reporting-MTA', 'dns; mx.reader.example')]]
    for final, action, status, diagnostic, *before in recipients:
        block = [('Final-Recipient', 'rfc822; ' + final), ('Action', action), ('Status', status)]
        if before:
            block.insert(0, ('Original-Recipient', 'rfc822; ' + before[0]))
        if diagnostic:
            block.append(('Diagnostic-Code', diagnostic.replace('{to}', final)))
        blocks.append(block)
    return _report('delivery-status', _head(to, 'Undelivered Mail Returned to Sender', headers, received=received), blocks, about)


def failed(final, about, **kw):
    """The usual one: there is no such user."""
    return dsn([(final, 'failed', '5.1.1', NO_SUCH_USER)], about, **kw)


def complaint(about, reader=None, to='complaints@shop.example', headers=(), mail_from='news@shop.example', kind='abuse'):
    """reader: None: it does not tell whose."""
    fields = [('Feedback-Type', kind), ('User-Agent', 'Loop/1.0'), ('Version', '1'), ('Original-Mail-From', '<%s>' % mail_from)]
    if reader:
        fields.append(('Original-Rcpt-To', '<%s>' % reader))
    return _report('feedback-report', _head(to, 'FW: News', headers, 'loop@provider.example'), [fields], about)


def plain(to, sender, subject, *headers):
    return '\n'.join(_head(to, subject, headers, sender) + ['', 'I am away.', '']).encode()


def autoreply(to, sender, about):
    return plain(to, sender, 'Out of office', ('Auto-Submitted', 'auto-replied'), ('In-Reply-To', about))
