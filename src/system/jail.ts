import { numbersOf, seccompFilter } from './syscalls.ts';
import type { Architecture, Work } from './syscalls.ts';

/**
 * Runs a program that reads what strangers have made, so that who takes it over has gained nothing: it can make few system
 * calls (no sockets, no other processes, no mounts), has a limit of memory and no capabilities but those that its work takes. With
 * Landlock it opens only the programs and libraries of the system, and what its work is about.
 *
 * - `filter` reads its input and writes its output: no capabilities, nothing can be opened for writing. Decompressors are such.
 * - `restore` puts a tree on the disk: its root is `root`, for ever, before it reads anything.
 * - `look` goes through a directory and tells what is known of the files in it; it reads none of them and writes its output.
 * - `sort` reads its input, and writes files in a directory.
 * - `read` is Node.js that reads the files in a directory.
 * - `inspect` is Node.js that reads the files in a directory and sorts lists in another one: it may start programs, in the same jail.
 * - `remove` removes what is in a directory, and may start programs that do so.
 */
export type Jail = { memoryBytes: number } & (
  | { work: 'filter' }
  | { work: 'restore'; root: string }
  | { work: 'look' | 'sort' | 'remove'; directory: string }
  | { work: 'read'; directory: string; programs: readonly string[] }
  | { work: 'inspect'; directory: string; scratch: string; programs: readonly string[] }
);

const [chown, dacOverride, fowner, fsetid, setpcap, mknod, setfcap] = [0, 1, 3, 4, 8, 27, 31];

/**
 * Capabilities by their numbers. Directories and files of a tree may be closed to root (DAC_OVERRIDE), and belong to others (FOWNER); jails in
 * a jail drop what is left (SETPCAP), and give nothing.
 */
const kept: Record<Work, number[]> = {
  filter: [],
  restore: [chown, dacOverride, fowner, fsetid, mknod, setfcap],
  look: [dacOverride],
  sort: [],
  read: [dacOverride, fowner],
  inspect: [dacOverride, setpcap],
  remove: [dacOverride, fowner],
};

/** Rights of Landlock. */
const [execute, writeFile, readFile, readDir, removeDir, removeFile, makeFile, truncate] = [
  1 << 0,
  1 << 1,
  1 << 2,
  1 << 3,
  1 << 4,
  1 << 5,
  1 << 8,
  1 << 14,
];
const system = ['/usr', '/lib', '/lib64', '/bin', '/etc/ld.so.cache'];
const ofPrograms = execute | readFile | readDir;
const ofLists = readFile | writeFile | readDir | removeFile | makeFile | truncate;

/** Node.js does not start when it may not read its settings of TLS. */
const ofNode = (programs: readonly string[]): [number, string][] => [
  ...programs.map((path): [number, string] => [ofPrograms, path]),
  [readFile, '/etc/ssl/openssl.cnf'],
  [readFile | writeFile, '/dev/null'],
];

/** What of the file system a program may open, and how. */
function placesOf(jail: Jail): [rights: number, path: string][] {
  const programs = system.map((path): [number, string] => [ofPrograms, path]);
  switch (jail.work) {
    case 'restore':
      return [];
    case 'filter':
      return programs;
    case 'look':
      return [...programs, [readDir, jail.directory]];
    case 'sort':
      return [...programs, [ofLists, jail.directory]];
    case 'remove':
      return [...programs, [readDir | removeDir | removeFile, jail.directory]];
    case 'read':
      return [...programs, ...ofNode(jail.programs), [readFile, jail.directory]];
    case 'inspect':
      return [...programs, ...ofNode(jail.programs), [readFile | readDir, jail.directory], [ofLists, jail.scratch]];
  }
}

/** The command that runs `command` in a jail. It ends with 126 and a line that begins with `jail: ` when that cannot be had. */
export function jailed(command: readonly string[], jail: Jail): [string, ...string[]] {
  const architecture: Architecture = process.arch === 'arm64' ? 'arm64' : 'x64';
  const { work, memoryBytes } = jail;
  const numbers = Object.values(numbersOf(architecture)).join(',');
  const filter = seccompFilter(work, architecture).toString('hex');
  const root = jail.work === 'restore' ? jail.root : '';
  const places = placesOf(jail).map(([rights, path]) => `${rights}:${path}`);
  return [
    'perl',
    '-e',
    launcher,
    numbers,
    filter,
    kept[work].join(','),
    String(memoryBytes),
    root,
    ...places,
    '--',
    ...command,
  ];
}

/**
 * A program cannot be started in another root that has no such program, and one that changes its root itself can do so again. So
 * a helper that shares the root of the program (CLONE_FS) changes it from outside: the kernel holds the first call after the
 * libraries were loaded (geteuid) until the helper has done so. bsdtar's own call of chroot is answered with success and not
 * made. Then the helper ends, and none of these calls exists any more.
 *
 * Perl, because it is part of every Debian and can make any system call; Node.js cannot, nor do anything before exec.
 */
const launcher = String.raw`
use strict;
my ($numbers, $filter, $kept, $memory, $root, @command) = @ARGV;
my @places;
while (@command and (my $place = shift @command) ne '--') { push @places, $place }
my ($execve, $geteuid, $chroot, $clone, $openat, $seccomp, $prctl, $capget, $capset, $ioctl, $ppoll, $prlimit) = split /,/, $numbers;
sub failed { print STDERR "jail: $_[0]: $!\n"; kill 'KILL', $_[1] if $_[1]; exit 126 }

# Memory, core files, descriptors.
for (["2", $memory], ["4", 0], ["7", 64]) {
  my $limit = pack 'QQ', $_->[1], $_->[1];
  syscall($prlimit, 0, $_->[0] + 0, $limit, 0) == 0 or failed 'the memory cannot be limited';
}

# Capabilities: the bounding set, which is what root gets by exec, and what would be inherited. Who is not root gets none by exec, as
# no_new_privs is set below, and may drop none.
my %kept = map { $_ => 1 } split /,/, $kept;
for my $capability (0 .. 63) {
  next if $kept{$capability};
  my $held = syscall($prctl, 23, $capability, 0, 0, 0);
  last if $held < 0;
  next if $held == 0 or syscall($prctl, 24, $capability, 0, 0, 0) == 0;
  last if $!{EPERM} and $> != 0;
  failed 'capabilities cannot be dropped, which takes SETPCAP';
}
my $header = pack 'LL', 0x20080522, 0;
my $sets = "\0" x 24;
syscall($capget, $header, $sets) == 0 or failed 'capabilities cannot be read';
my @sets = unpack 'L6', $sets;
@sets[2, 5] = (0, 0);
$sets = pack 'L6', @sets;
syscall($capset, $header, $sets) == 0 or failed 'capabilities cannot be dropped';
syscall($prctl, 47, 4, 0, 0, 0);
syscall($prctl, 38, 1, 0, 0, 0) == 0 or failed 'no_new_privs cannot be set';

# Landlock, where the kernel has it: nothing is opened but what is listed.
my $abi = $root eq '' ? syscall(444, 0, 0, 1) : 0;
if ($abi > 0) {
  my $rights = $abi == 1 ? 0x1fff : $abi == 2 ? 0x3fff : $abi < 5 ? 0x7fff : 0xffff;
  my $attributes = pack 'QQQ', $rights, 3, 3;
  my $rules = syscall(444, $attributes, $abi < 4 ? 8 : $abi < 6 ? 16 : 24, 0);
  $rules >= 0 or failed 'Landlock cannot be used';
  for (@places) {
    my ($wanted, $path) = split /:/, $_, 2;
    open my $place, '<', $path or next;
    # What a file can have; those that are not known here are not handled either.
    my $allowed = $wanted & $rights & (-d $place ? 0xffff : 0x4007);
    next if $allowed == 0;
    my $rule = pack 'Ql', $allowed, fileno $place;
    syscall(445, $rules, 1, $rule, 0) == 0 or failed "Landlock cannot be used for $path";
  }
  syscall(446, $rules, 0) == 0 or failed 'Landlock cannot be used';
}

# Pipes that take as much as may be at once, so that programs wait for each other seldom.
fcntl $_, 1031, 1 << 20 for \*STDIN, \*STDOUT;

# The helper shares root, working directory and descriptors.
pipe my $from, my $to or failed 'there is no pipe';
if ($root ne '') {
  my $helper = syscall $clone, 0x200 | 0x400 | 17, 0, 0, 0, 0;
  $helper >= 0 or failed 'there is no process';
  help() if $helper == 0;
  $SIG{CHLD} = 'IGNORE';
}

my $bytes = pack 'H*', $filter;
my $program = pack 'S x6 P', length($bytes) / 8, $bytes;
my $listener = syscall $seccomp, 1, ($root eq '' ? 0 : 8), $program;
$listener >= 0 or failed 'system calls cannot be limited';
syswrite $to, pack 'l', $listener if $root ne '';
exec { $command[0] } @command or failed "$command[0] cannot be run";

sub help {
  my $program = getppid;
  syscall $prctl, 1, 9, 0, 0, 0;
  sysread $from, my $number, 4;
  my $listener = unpack 'l', $number;
  my $changed = 0;
  while (1) {
    my $wait = pack 'l s S', $listener, 1, 0;
    syscall $ppoll, $wait, 1, 0, 0, 0;
    exit 0 unless (unpack 'l s S', $wait)[2] & 1;
    my $call = "\0" x 80;
    syscall($ioctl, $listener, 0xc0502100, $call) == 0 or exit 0;
    my ($id, undef, undef, $number) = unpack 'Q L L l', $call;
    if ($number != $execve and not $changed) {
      chdir $root or failed "$root cannot be the root", $program;
      chroot '.' or failed "$root cannot be the root", $program;
      $changed = 1;
    }
    # Success without the call, or the call itself.
    my $answer = pack 'Q q l L', $id, 0, 0, $number == $chroot ? 0 : 1;
    syscall $ioctl, $listener, 0xc0182101, $answer;
    exit 0 if $number == $chroot;
  }
}
`;
