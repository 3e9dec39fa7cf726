/**
 * The command that runs `command` to its end, and then ends all that it has left running, whatever group, session or user that has: a
 * build must neither wait for a daemon that a command has started, nor pack a tree to which it still writes. SIGTERM does so at
 * once. It ends as the command did, and with 125 when something cannot be ended.
 */
export function reaping(command: readonly string[]): [string, ...string[]] {
  const prctl = process.arch === 'arm64' ? '167' : '157';
  return ['perl', '-e', reaper, prctl, ...command];
}

/**
 * A namespace for processes would take a right over the node (SYS_ADMIN). So the orphans of all descendants become children of this
 * process (PR_SET_CHILD_SUBREAPER): without children there are no descendants. A build may not send signals to other users (KILL),
 * but become them.
 */
const reaper = String.raw`
use strict;
use POSIX ();
my ($prctl, @command) = @ARGV;
syscall($prctl + 0, 36, 1, 0, 0, 0) == 0 or die "orphans cannot be had: $!\n";
my $child = fork;
defined $child or die "there is no process: $!\n";
if ($child == 0) {
  exec { $command[0] } @command or print STDERR "$command[0] cannot be run: $!\n";
  POSIX::_exit(127);
}
$SIG{TERM} = sub { end_all(); POSIX::_exit(143) };
my $status;
until (defined $status) {
  my $ended = waitpid -1, 0;
  $status = $? if $ended == $child;
  die "the command is lost: $!\n" if $ended == -1 and not $!{EINTR};
}
end_all();
exit $status >> 8 unless $status & 127;
$SIG{TERM} = 'DEFAULT';
kill $status & 127, $$;
exit 128 + ($status & 127);

sub end_all {
  my $deadline = time + 10;
  while (1) {
    while (1) {
      my $ended = waitpid -1, POSIX::WNOHANG();
      return if $ended == -1;
      last if $ended == 0;
    }
    if (time > $deadline) {
      print STDERR "what the command has left running cannot be ended\n";
      POSIX::_exit(125);
    }
    end_process($_) for descendants();
    select undef, undef, undef, 0.01;
  }
}

sub descendants {
  my %parent;
  for my $path (glob '/proc/[0-9]*/stat') {
    open my $file, '<', $path or next;
    my $line = do { local $/; <$file> } // next;
    $parent{$1} = $2 if $line =~ /^(\d+) \(.*\) \S (\d+) /s;
  }
  return grep {
    my $at = $_;
    $at = $parent{$at} while defined $at and $at != $$;
    defined $at and $_ != $$;
  } keys %parent;
}

sub end_process {
  my ($process) = @_;
  return if kill 'KILL', $process or not $!{EPERM};
  my ($user) = (stat "/proc/$process")[4];
  defined $user or return;
  my $killer = fork;
  defined $killer or return;
  if ($killer == 0) {
    POSIX::setuid($user) and kill 'KILL', $process;
    POSIX::_exit(0);
  }
  waitpid $killer, 0;
}
`;
