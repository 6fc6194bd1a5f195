# Copyright: the conntrack-sysctl maintainers
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Runs the collection's static binary on the managed host. The host needs no Python.

One command on the host prints the machine type. If the host keeps a verified copy of the binary, the command runs it at
once. Otherwise the plugin transfers the binary for that machine type, and the next run finds it in the cache. The binary
travels compressed if the host can unpack it and can hash the result.
"""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import json
import os

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.vars import merge_hash

# The directory in which a host keeps the binary. Only root may write to it and to every directory above it.
CACHE = '/var/cache/conntrack-sysctl'

# The list of the binaries that ansible/build made, each with its SHA-256.
MANIFEST = 'SHA256SUMS'

# The command on the host prints WANTED if it needs the binary. It prints UNKNOWN if the collection has no binary for the
# host. The system and the machine type follow, as `uname -sm` prints them, and GZIP if the host can unpack the binary. It
# prints PLAIN if it could not unpack it after all, and REFUSED with the reason if the host cannot run it.
WANTED = 'conntrack-sysctl: wanted for '
GZIP = 'gzip'
PLAIN = 'conntrack-sysctl: wanted as it is'
REFUSED = 'conntrack-sysctl: refused: '
UNKNOWN = 'conntrack-sysctl: unknown to '

# Enters the cache. Fails unless the cache is a directory that belongs to root and that nobody else can enter. The check
# runs inside the directory, so the command uses the directory that it checked, even if somebody renames it meanwhile.
ENTER = (
    'cd {cache} 2>/dev/null && set -- $(ls -ldn .) && [ "$3" = 0 ] && '
    'case $1 in (drwx------|drwx------.) true;; (*) false;; esac'
).format(cache=CACHE)

# The name of the binary in the cache is its SHA-256. The host computes the SHA-256 again before each use.
VERIFY = 'echo "$sum  {file}" | sha256sum -c >/dev/null 2>&1'


# The names that the result of a refused request has.
REFUSAL = ('changed', 'msg', 'failure')


class BinaryAction(ActionBase):
    """An action that the binary carries out, as its module `name`."""

    name = None
    # The names that every result of this module has, unless the request is refused.
    returned = ()
    # Whether a run of this module may leave the binary on the host. A run that only reads leaves nothing.
    may_change = False

    def run(self, tmp=None, task_vars=None):
        result = super(BinaryAction, self).run(tmp, task_vars)
        del tmp
        binaries = _binaries()
        arguments = dict(self._task.args)
        arguments['_ansible_check_mode'] = bool(self._task.check_mode)
        arguments['_ansible_diff'] = bool(self._task.diff)
        # A value that is not JSON (an encrypted string, a date) becomes the text that the author of the playbook sees.
        arguments = json.dumps(arguments, default=str)

        answer = self._execute(_cached(self.name, binaries), arguments)
        wanted = _line_with(answer['stdout'], WANTED)
        unknown = _line_with(answer['stdout'], UNKNOWN)
        if unknown is not None:
            raise AnsibleActionFail(
                'this collection has no binary for `%s`; it has: %s. Build one (docs/ansible.md), and put it in %s'
                % (unknown, ', '.join('Linux ' + machine for machine in sorted(binaries)), _directory()))
        if wanted is not None:
            words = wanted.split()
            binary = binaries[words[1]]
            binary.check()
            keep = self.may_change and not self._task.check_mode
            answer = None
            if GZIP in words[2:] and binary.packed is not None:
                remote = self._transfer(binary.packed, 'conntrack-sysctl.gz')
                answer = self._execute(_unpacked(self.name, remote, binary.digest, keep), arguments)
            if answer is None or PLAIN in answer['stdout'].splitlines():
                remote = self._transfer(binary.path, 'conntrack-sysctl')
                answer = self._execute(_transferred(self.name, remote, binary.digest, keep), arguments)
            refused = _line_with(answer['stdout'], REFUSED)
            if refused is not None:
                raise AnsibleActionFail(
                    '%s. Have Ansible use another directory (ansible_remote_tmp), one of a file system that may run programs'
                    % refused)
        return merge_hash(result, self._read(answer))

    def _transfer(self, path, name):
        """The path of the file on the host, below a directory that Ansible removes again."""
        self._ensure_temporary_directory()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, name)
        self._transfer_file(path, remote)
        self._fixup_perms2((self._connection._shell.tmpdir, remote))
        return remote

    def _ensure_temporary_directory(self):
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()

    def _execute(self, command, arguments):
        """The answer to a command that reads the task's arguments from its standard input."""
        become = self._connection.become
        # Up to ansible-core 2.18 a become plugin does not say whether it passes input on. Only `su` needs a terminal.
        passes = become is None or getattr(become, 'pipelining', not str(become.name).endswith('su'))
        if self._connection.has_pipelining and passes:
            answer = self._low_level_execute_command('( %s )' % command, in_data=arguments.encode('utf-8'))
            if answer['rc'] == 0 or 'tty' not in answer['stderr']:
                return answer
        # The connection offers no standard input, or sudo requires a terminal.
        self._ensure_temporary_directory()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, 'arguments')
        self._transfer_data(remote, arguments)
        self._fixup_perms2((self._connection._shell.tmpdir, remote), execute=False)
        return self._low_level_execute_command('( %s ) < %s' % (command, self._connection._shell.quote(remote)))

    def _read(self, answer):
        """The result that the binary printed: one line. Login scripts may print lines of their own."""
        for line in reversed(_lines(answer['stdout'])):
            if line.startswith('{'):
                result = self._whole(line, answer['rc'])
                if result is None:
                    break
                result['invocation'] = {'module_args': dict(self._task.args)}
                return result
        return {
            'failed': True,
            'msg': 'the binary gave no whole report (exit code %s), so that nothing is known of the run; see module_stdout and '
                   'module_stderr, and run it again' % answer['rc'],
            'module_stdout': answer['stdout'],
            'module_stderr': answer['stderr'],
            'rc': answer['rc'],
        }

    def _whole(self, line, code):
        """The result in `line`; None if it lacks a part, or if the exit code says otherwise."""
        try:
            result = json.loads(line)
        except ValueError:
            return None
        failed = result.get('failed')
        needed = REFUSAL if failed is True and 'settings' not in result else self.returned
        if failed not in (True, False) or failed != (code != 0) or any(name not in result for name in needed):
            return None
        return result


def _directory():
    return os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'bin')


class Binary(object):
    """The binary for one machine type."""

    def __init__(self, path, listed):
        self.path = path
        # ansible/build lists the digests, so that no task needs to hash a binary. One that somebody added is not listed.
        self.is_listed = listed is not None
        self.digest = listed if self.is_listed else _digest(path)
        # A compressed file of a binary that has been replaced would be of the old one.
        self.packed = path + '.gz' if self.is_listed and os.path.exists(path + '.gz') else None

    def check(self):
        """Refuse a binary that is not the one which was built. It is hashed here only, before it goes to a host."""
        if self.is_listed and _digest(self.path) != self.digest:
            raise AnsibleActionFail(
                '`%s` is not the binary that %s lists. Build the collection again (ansible/build), or remove its line there'
                % (self.path, MANIFEST))


def _digest(path):
    with open(path, 'rb') as binary:
        return hashlib.sha256(binary.read()).hexdigest()


def _manifest(directory):
    """Maps the name of each binary that was built to its SHA-256, as `sha256sum` prints them."""
    try:
        with open(os.path.join(directory, MANIFEST)) as lines:
            return dict(reversed(line.split()) for line in lines if line.strip())
    except IOError:
        return {}


def _binaries():
    """Maps a machine type, as `uname -m` prints it, to its binary."""
    prefix = 'conntrack-sysctl-'
    binaries = {}
    directory = _directory()
    listed = _manifest(directory)
    names = os.listdir(directory) if os.path.isdir(directory) else []
    for name in names:
        if name.startswith(prefix) and name[len(prefix):].replace('_', '').isalnum():
            binaries[name[len(prefix):]] = Binary(os.path.join(directory, name), listed.get(name))
    if not binaries:
        raise AnsibleActionFail('this collection has no binary at all in %s: it was not built by ansible/build' % directory)
    return binaries


def _cached(name, binaries):
    """The command that runs the cached binary, or says which binary it needs."""
    cases = ' '.join('("Linux %s") sum=%s;;' % (machine, binary.digest) for machine, binary in sorted(binaries.items()))
    return (
        'machine=$(uname -sm); gzip=" {gzip}"; case $machine in {cases} (*) echo "{unknown}$machine"; exit 1;; esac; '
        'if {enter} && [ -x "./$sum" ] && {verify}; then exec "./$sum" module {name}; fi; '
        'for tool in gzip sha256sum; do command -v $tool >/dev/null 2>&1 || gzip=; done; echo "{wanted}$machine$gzip"'
    ).format(cases=cases, unknown=UNKNOWN, enter=ENTER, verify=VERIFY.format(file='./$sum'), name=name, wanted=WANTED, gzip=GZIP)


def _transferred(name, remote, digest, keep):
    """The command that runs the transferred binary, and before that puts it into the cache if allowed."""
    run = _run(remote, name)
    if not keep:
        return run
    return (
        'sum={digest}; umask 077; [ "$(id -u)" = 0 ] && mkdir -p {cache} 2>/dev/null; '
        'if {enter} && cp {remote} "./.$sum.$$" && chmod 0700 "./.$sum.$$" && {verify} && '
        # `mv` would put the file into a directory that lies in its place.
        '{{ [ ! -d "./$sum" ] || rm -rf "./$sum"; }} && mv -f "./.$sum.$$" "./$sum" && '
        '[ -x "./$sum" ]; then find . -type f -mtime +30 -exec rm -f {{}} + 2>/dev/null; exec "./$sum" module {name}; fi; '
        'rm -f "./.$sum.$$"; {run}'
    ).format(digest=digest, cache=CACHE, enter=ENTER, remote=_quoted(remote), name=name, run=run,
             verify=VERIFY.format(file='./.$sum.$$'))


def _run(remote, name):
    """The command that runs the binary where it was transferred to."""
    return (
        '[ -x {remote} ] || {{ echo "{refused}the host cannot run programs in $(dirname {remote})"; exit 1; }}; '
        'exec {remote} module {name}'
    ).format(remote=_quoted(remote), name=name, refused=REFUSED)


def _unpacked(name, packed, digest, keep):
    """The command that unpacks the transferred binary beside itself, verifies it, and goes on as with a plain one."""
    remote = packed[:-len('.gz')]
    return (
        'sum={digest}; if (umask 077; gzip -dc < {packed} > {remote}) 2>/dev/null && chmod 0700 {remote} && {verify}; then :; '
        'else rm -f {remote}; echo "{plain}"; exit 1; fi; {transferred}'
    ).format(digest=digest, packed=_quoted(packed), remote=_quoted(remote), plain=PLAIN,
             verify='echo "$sum  "{file} | sha256sum -c >/dev/null 2>&1'.format(file=_quoted(remote)),
             transferred=_transferred(name, remote, digest, keep))


def _lines(text):
    """The lines of `text`. Only a line feed ends one: the name of a file may hold what else ends a line for Python."""
    return [line.rstrip('\r') for line in text.split('\n')]


def _quoted(text):
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _line_with(text, prefix):
    """The rest of the line that begins with `prefix`."""
    for line in _lines(text):
        if line.startswith(prefix):
            return line[len(prefix):].strip()
    return None
