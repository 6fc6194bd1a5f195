# Copyright: the conntrack-sysctl maintainers
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Runs the collection's static binary on the managed host. The host needs no Python.

The first command runs the binary that the host keeps. If the host keeps none, the command says for which machine type it
needs one, and which programs could unpack it. The second command has the binary on its standard input, behind the task's
arguments. It puts the binary in its place, verifies it and runs it.
"""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import json
import os
import uuid

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.action import ActionBase
from ansible.utils.vars import merge_hash

# The directory in which a host keeps the binary. Only root may write to it and to every directory above it.
CACHE = '/var/cache/conntrack-sysctl'

# The list of the files that ansible/build made, each with its SHA-256.
MANIFEST = 'SHA256SUMS'

# The first command prints WANTED if it needs the binary. The machine type follows, as `uname -sm` prints it, and the
# programs that can unpack the binary. It prints UNKNOWN if the collection has no binary for the host.
WANTED = 'conntrack-sysctl: wanted for '
UNKNOWN = 'conntrack-sysctl: unknown to '

# The second command prints REFUSED and the reason if it could not run the binary. It prints UNKEPT and the reason if it runs
# the binary, but could not keep it.
REFUSED = 'conntrack-sysctl: refused: '
UNKEPT = 'conntrack-sysctl: not kept: '

# The programs that unpack the binary, the best one first, and how the names of the packed files end.
PACKERS = (('xz', '.xz'), ('gzip', '.gz'))

# Enters the cache. Fails unless the cache is a directory that belongs to root and that nobody else can enter. The check
# runs inside the directory, so the command uses the directory that it checked, even if somebody renames it meanwhile.
ENTER = """cd @cache@ 2>/dev/null && set -- $(ls -ldn .) && [ "$3" = 0 ] &&
    case $1 in (drwx------|drwx------.) true;; (*) false;; esac"""

# The name of the binary in the cache is its SHA-256.
#
# A host computes it once in a boot. Then SUM.seen tells the id of the boot, and the binary's device, inode, size and time
# of the last change. A command that finds the same there runs the binary without computing the SHA-256 again.
CACHED = """
seen() {
    IFS= read -r boot < /proc/sys/kernel/random/boot_id && now=$(stat -c '|%u %f %d %i %s %z' . "./$sum") || return
    # Both belong to root, the directory has mode 0700, and the binary is a file with mode 0700.
    case $now in ('|0 41c0 '*'|0 81c0 '*) now="$boot ${now##*|}";; (*) return 1;; esac
} 2>/dev/null
if cd @cache@ 2>/dev/null; then
    for sum in @sums@; do
        [ -x "./$sum" ] || continue
        before=
        if seen; then IFS= read -r before 2>/dev/null < "./$sum.seen"; else now=; fi
        if [ -n "$now" ] && [ "$now" = "$before" ]; then exec "./$sum" module @name@; fi
        if @enter@ && echo "$sum  ./$sum" | sha256sum -c >/dev/null 2>&1; then
            if [ -n "$now" ] && [ -n "@keep@" ]; then
                { rm -rf "./$sum.seen" && echo "$now" > "./.seen.$$" && mv -f "./.seen.$$" "./$sum.seen" || rm -f "./.seen.$$"; } 2>/dev/null
            fi
            exec "./$sum" module @name@
        fi
    done
fi
machine=$(uname -sm)
# The programs of 32 bits of a host say nothing of its kernel: the addresses of a 64-bit one have 16 digits.
case $machine in
    ('Linux i'?86) if read -r address rest < /proc/kallsyms && [ ${#address} = 16 ]; then machine='Linux x86_64'; fi;;
    ('Linux armv8l') machine='Linux aarch64';;
esac 2>/dev/null
case $machine in (@machines@) ;; (*) echo "@unknown@$machine"; exit 1;; esac
# Busybox has an xz of its own, which does not know all that is used.
case $(xz --version 2>/dev/null) in (*'XZ Utils'*) machine="$machine xz";; esac
if command -v gzip >/dev/null 2>&1; then machine="$machine gzip"; fi
echo "@wanted@$machine"
"""

# Puts the binary in its place and runs it. The place is the cache, or else a directory of its own that the command removes
# again. If the connection ends too early, standard input ends, and the command removes what it has made.
TAKEN = """
IFS= read -r arguments
sum=@sum@ file=./.@sum@.$$ place= own= unkept= reasons= user=$(id -u)
umask 077
if command -v sha256sum >/dev/null 2>&1; then
    is_whole() { echo "$sum  $file" | sha256sum -c >/dev/null 2>&1; }
else
    is_whole() { [ "$(wc -c < "$file")" -eq @size@ ]; }
    unkept='the host has no sha256sum'
fi
end() { rm -f "$file"; if [ -n "$own" ]; then cd / && rm -rf "$own"; fi; }
trap end EXIT
trap 'exit 1' HUP INT TERM PIPE
# The connection counts as broken unless everything is read.
refuse() { cat > /dev/null; echo "@refused@$1"; exit 1; }
makes() { reason=$(mkdir "$@" 2>&1) || { reason=${reason##*: }; return 1; }; }
# Enters a directory, and finds out before anything is read whether a program may be written and run there.
usable() {
    cd "$1" 2>/dev/null && set -- $(ls -ldn .) && [ "$3" = "$user" ] &&
        case $1 in (drwx------|drwx------.) true;; (*) false;; esac ||
        { reason='it is not a directory that only its user can enter'; return 1; }
    if reason=$( (: > "$file" && chmod 0700 "$file") 2>&1); then
        [ ! -x "$file" ] || return 0
        reason=': its file system may run no programs'
    fi
    reason=${reason##*: }
    rm -f "$file"
    return 1
}
if [ -z "@keep@" ] || [ "$user" != 0 ]; then unkept=
elif [ -z "$unkept" ]; then
    if makes -p @cache@ && usable @cache@; then place=@cache@; else unkept="@cache@: $reason"; fi
fi
if [ -z "$place" ]; then
    for directory in @directories@; do
        cd /
        case $directory in
            (/*) if makes -p "$directory" && makes "$directory/@unique@"; then
                own=$directory/@unique@
                if usable "$own"; then place=$directory; break; fi
                cd / && rm -rf "$own"
                own=
            fi;;
            (*) reason='it is no absolute path';;
        esac
        reasons="$reasons; $directory: $reason"
    done
    [ -n "$place" ] || refuse "${unkept:+$unkept; }${reasons#; }"
fi
reason=$( (@unpack@ > "$file") 2>&1) || { reason=${reason:-@unpack@ failed}; refuse "$place: ${reason##*: }"; }
is_whole || refuse "$place: the binary did not arrive whole"
if [ -z "$own" ]; then
    # `mv` would put the file into a directory that lies in its place.
    if [ -d "./$sum" ]; then rm -rf "./$sum"; fi
    reason=$(mv -f "$file" "./$sum" 2>&1) || refuse "$place: ${reason##*: }"
    # Nearly every cache is new, and has this one file.
    set -- *
    [ $# = 1 ] || find . -type f -mtime +30 -exec rm -f {} + 2>/dev/null
    # What a command has left that was killed ends with the number of its process.
    for left in ./.*.[0-9]*; do kill -0 "${left##*.}" 2>/dev/null || rm -f "$left"; done
    trap - EXIT
    file=./$sum
elif [ -n "$unkept" ]; then
    echo "@unkept@$unkept"
fi
printf '%s\\n' "$arguments" | "$file" module @name@
"""

# The names that the result of a refused request has.
REFUSAL = ('changed', 'msg', 'failure')


class BinaryAction(ActionBase):
    """An action that the binary carries out, as its module `name`."""

    name = None
    # The names that every result of this module has, unless the request is refused.
    returned = ()
    # Whether a run of this module may leave the binary on the host. A run that only reads leaves nothing.
    may_change = False
    # Whether sudo has refused to run a command without a terminal.
    _needs_terminal = False

    def run(self, tmp=None, task_vars=None):
        result = super(BinaryAction, self).run(tmp, task_vars)
        del tmp
        binaries = _binaries()
        arguments = dict(self._task.args)
        arguments['_ansible_check_mode'] = bool(self._task.check_mode)
        arguments['_ansible_diff'] = bool(self._task.diff)
        # A value that is not JSON (an encrypted string, a date) becomes the text that the author of the playbook sees.
        arguments = json.dumps(arguments, default=str).encode('utf-8') + b'\n'

        keep = self.may_change and not self._task.check_mode
        answer = self._execute(_cached(self.name, binaries, keep), arguments)
        wanted = _line_with(answer['stdout'], WANTED)
        unknown = _line_with(answer['stdout'], UNKNOWN)
        if unknown is not None:
            raise AnsibleActionFail(
                'this collection has no binary for `%s`; it has: %s. Build one (docs/ansible.md), and put it in %s'
                % (unknown, ', '.join('Linux ' + machine for machine in sorted(binaries)), _directory()))
        warnings = []
        if wanted is not None:
            words = wanted.split()
            answer, warnings = self._bring(binaries[words[1]], words[2:], keep, arguments)
        result = merge_hash(result, self._read(answer))
        if warnings:
            result['warnings'] = list(result.get('warnings') or []) + warnings
        return result

    def _bring(self, binary, unpackers, keep, arguments):
        """Has the host take the binary and run it. Gives its answer, and a warning if each run has to bring the binary."""
        files = [(program, end) for program, end in PACKERS if program in unpackers and binary.has(end)][:1]
        files.append((None, ''))
        refusals = []
        for program, end, keeps in [(program, end, keeps) for program, end in files for keeps in sorted({keep, False}, reverse=True)]:
            answer = self._execute(_taken(self.name, binary, program, keeps, self._places()), arguments + binary.content(end))
            refused = _line_with(answer['stdout'], REFUSED)
            if refused is None:
                break
            refusals += [reason for reason in refused.split('; ') if reason not in refusals]
        else:
            raise AnsibleActionFail(
                'the host cannot run the binary: %s. Make room there, or have Ansible use another directory (ansible_remote_tmp), '
                'one of a file system that may run programs' % '; '.join(refusals))
        unkept = _line_with(answer['stdout'], UNKEPT)
        if unkept is not None:
            refusals.append(unkept)
        return answer, ['the host does not keep the binary, so that each run brings it: ' + reason for reason in refusals[:1]]

    def _places(self):
        """The directories in which the host may have the binary for the length of a task."""
        shell = self._connection._shell
        if self._is_become_unprivileged():
            return [to_text(directory) for directory in shell.get_option('system_tmpdirs')]
        return [to_text(shell.get_option('remote_tmp'))]

    def _ensure_temporary_directory(self):
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()

    def _execute(self, command, given):
        """The answer to a command, which has what is `given` on its standard input."""
        become = self._connection.become
        # Up to ansible-core 2.18 a become plugin does not say whether it passes input on. Only `su` needs a terminal.
        passes = become is None or getattr(become, 'pipelining', not str(become.name).endswith('su'))
        if self._connection.has_pipelining and passes and not self._needs_terminal:
            answer = self._low_level_execute_command('( %s )' % command, in_data=given)
            if answer['rc'] == 0 or 'tty' not in answer['stderr']:
                return answer
            self._needs_terminal = True
        # The connection offers no standard input, or sudo requires a terminal.
        self._ensure_temporary_directory()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, uuid.uuid4().hex)
        self._transfer_data(remote, given)
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
        self._listed = listed
        self.digest = listed.get(os.path.basename(path)) or _digest(_content(path))

    def has(self, end):
        """Whether there is a packed file with this end. One that was not built with the binary could be of an older one."""
        path = self.path + end
        return os.path.basename(path) in self._listed and os.path.exists(path)

    def content(self, end):
        """The file with this end, as it goes to a host. It is hashed here only, and refused if it is not the one that was built."""
        path = self.path + end
        content = _content(path)
        if _digest(content) != self._listed.get(os.path.basename(path), self.digest):
            raise AnsibleActionFail(
                '`%s` is not the binary that %s lists. Build the collection again (ansible/build), or remove its line there'
                % (path, MANIFEST))
        return content


def _content(path):
    with open(path, 'rb') as binary:
        return binary.read()


def _digest(content):
    return hashlib.sha256(content).hexdigest()


def _manifest(directory):
    """Maps the name of each file that was built to its SHA-256, as `sha256sum` prints them."""
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
            binaries[name[len(prefix):]] = Binary(os.path.join(directory, name), listed)
    if not binaries:
        raise AnsibleActionFail('this collection has no binary at all in %s: it was not built by ansible/build' % directory)
    return binaries


def _filled(command, **words):
    """The command with each @word@ filled in, without its comments."""
    lines = [line.strip() for line in command.splitlines()]
    command = '\n'.join(line for line in lines if line and not line.startswith('#'))
    for word, value in words.items():
        command = command.replace('@%s@' % word, value)
    return command


def _cached(name, binaries, keep):
    """The command that runs the cached binary, or says which binary it needs."""
    return _filled(
        CACHED, enter=ENTER, name=name, sums=' '.join(sorted(binary.digest for binary in binaries.values())),
        machines='|'.join('"Linux %s"' % machine for machine in sorted(binaries)),
        keep=str(keep or ''), unknown=UNKNOWN, wanted=WANTED, cache=CACHE)


def _taken(name, binary, program, keep, places):
    """The command that takes the binary, unpacks it with the program, and runs it."""
    return _filled(
        TAKEN, name=name, sum=binary.digest, size=str(os.path.getsize(binary.path)), unpack=program + ' -dc' if program else 'cat',
        keep=str(keep or ''), directories=' '.join(_expanded(place) for place in places), unique='conntrack-sysctl-' + uuid.uuid4().hex,
        refused=REFUSED, unkept=UNKEPT, cache=CACHE)


def _expanded(path):
    """A word of shell for the path of a directory, in which the shell fills in a home and its variables, as Ansible has it."""
    # Without the module `re`: each task would compile the expressions anew.
    home, slash, rest = path.partition('/')
    name = home[1:].replace('_', 'a').replace('.', '0').replace('-', '0')
    is_home = home[:1] == '~' and (not name or name.isalnum() and name == name.lower() and name.isascii() and not name[0].isdigit())
    if not (slash and is_home):
        home, slash, rest = '', '', path
    for character in '\\"`':
        rest = rest.replace(character, '\\' + character)
    return '%s%s"%s"' % (home, slash, rest)


def _lines(text):
    """The lines of `text`. Only a line feed ends one: the name of a file may hold what else ends a line for Python."""
    return [line.rstrip('\r') for line in text.split('\n')]


def _line_with(text, prefix):
    """The rest of the line that begins with `prefix`."""
    for line in _lines(text):
        if line.startswith(prefix):
            return line[len(prefix):].strip()
    return None
