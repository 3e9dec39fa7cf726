/**
 * Which system calls a jailed program may make, as a filter of seccomp: a list of what is allowed, and everything else does not
 * exist (ENOSYS), which the C library knows how to live with.
 */

type Numbers = readonly [amd64: number | undefined, arm64: number | undefined];

const both = (number: number): Numbers => [number, number];
const old = (amd64: number): Numbers => [amd64, undefined];

/** What any program does: load its libraries, have memory and threads, read and write what it was given. */
const ofAny = {
  read: [0, 63],
  write: [1, 64],
  lseek: [8, 62],
  close: [3, 57],
  mmap: [9, 222],
  munmap: [11, 215],
  mprotect: [10, 226],
  mremap: [25, 216],
  madvise: [28, 233],
  brk: [12, 214],
  futex: [202, 98],
  pread64: [17, 67],
  readv: [19, 65],
  writev: [20, 66],
  fstat: [5, 80],
  newfstatat: [262, 79],
  statx: [332, 291],
  stat: old(4),
  lstat: old(6),
  access: old(21),
  faccessat: [269, 48],
  faccessat2: both(439),
  fcntl: [72, 25],
  fadvise64: [221, 223],
  set_robust_list: [273, 99],
  set_tid_address: [218, 96],
  rseq: [334, 293],
  arch_prctl: old(158),
  prlimit64: [302, 261],
  getrandom: [318, 278],
  sysinfo: [99, 179],
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  rt_sigreturn: [15, 139],
  sigaltstack: [131, 132],
  sched_getaffinity: [204, 123],
  sched_yield: [24, 124],
  clock_nanosleep: [230, 115],
  clock_gettime: [228, 113],
  gettimeofday: [96, 169],
  time: old(201),
  uname: [63, 160],
  getpid: [39, 172],
  gettid: [186, 178],
  getuid: [102, 174],
  getgid: [104, 176],
  getegid: [108, 177],
  pipe2: [293, 59],
  poll: old(7),
  ppoll: [271, 73],
  dup: [32, 23],
  exit: [60, 93],
  exit_group: [231, 94],
  restart_syscall: [219, 128],
} satisfies Record<string, Numbers>;

/** What goes through directories, and asks what is known of files without reading them. */
const ofReaders = {
  readlink: old(89),
  readlinkat: [267, 78],
  getxattr: [191, 8],
  lgetxattr: [192, 9],
  fgetxattr: [193, 10],
  listxattr: [194, 11],
  llistxattr: [195, 12],
  flistxattr: [196, 13],
  chdir: [80, 49],
  fchdir: [81, 50],
  getcwd: [79, 17],
  getdents64: [217, 61],
  statfs: [137, 43],
  fstatfs: [138, 44],
  umask: [95, 166],
} satisfies Record<string, Numbers>;

const ofRemovers = {
  unlink: old(87),
  unlinkat: [263, 35],
  rmdir: old(84),
} satisfies Record<string, Numbers>;

/** What changes a tree otherwise. */
const ofWriters = {
  mkdir: old(83),
  mkdirat: [258, 34],
  mknod: old(133),
  mknodat: [259, 33],
  link: old(86),
  linkat: [265, 37],
  symlink: old(88),
  symlinkat: [266, 36],
  rename: old(82),
  renameat: [264, 38],
  renameat2: [316, 276],
  chmod: old(90),
  fchmod: [91, 52],
  fchmodat: [268, 53],
  chown: old(92),
  fchown: [93, 55],
  lchown: old(94),
  fchownat: [260, 54],
  utime: old(132),
  utimes: old(235),
  futimesat: old(261),
  utimensat: [280, 88],
  setxattr: [188, 5],
  lsetxattr: [189, 6],
  fsetxattr: [190, 7],
  removexattr: [197, 14],
  lremovexattr: [198, 15],
  fremovexattr: [199, 16],
  truncate: [76, 45],
  ftruncate: [77, 46],
  fallocate: [285, 47],
} satisfies Record<string, Numbers>;

/** Opening a file; `flags` is the argument that says whether to write. */
const ofOpening: Record<string, { numbers: Numbers; flags: number }> = {
  openat: { numbers: [257, 56], flags: 2 },
  open: { numbers: old(2), flags: 1 },
};

/** What sort(1) does with its files besides. */
const ofSorting = { pwrite64: [18, 68], ftruncate: [77, 46], sched_setaffinity: [203, 122] } satisfies Record<
  string,
  Numbers
>;

/** What no program that only works with files has to do with: networks, other processes, namespaces, mounts, the machine. */
const ofOthers = {
  creat: old(85),
  openat2: both(437),
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  socket: [41, 198],
  bind: [49, 200],
  listen: [50, 201],
  connect: [42, 203],
  accept: [43, 202],
  accept4: [288, 242],
  chroot: [161, 51],
  pivot_root: [155, 41],
  mount: [165, 40],
  umount2: [166, 39],
  open_tree: both(428),
  move_mount: both(429),
  fsopen: both(430),
  fsconfig: both(431),
  fsmount: both(432),
  fspick: both(433),
  unshare: [272, 97],
  setns: [308, 268],
  clone3: both(435),
  execveat: [322, 281],
  uselib: old(134),
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  kcmp: [312, 272],
  tkill: [200, 130],
  rt_sigqueueinfo: [129, 138],
  rt_tgsigqueueinfo: [297, 240],
  pidfd_send_signal: both(424),
  pidfd_open: both(434),
  pidfd_getfd: both(438),
  migrate_pages: [256, 238],
  move_pages: [279, 239],
  io_uring_setup: both(425),
  io_uring_enter: both(426),
  io_uring_register: both(427),
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  fanotify_init: [300, 262],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  shmget: [29, 194],
  shmat: [30, 196],
  semget: [64, 190],
  msgget: [68, 186],
  mq_open: [240, 180],
  mq_unlink: [241, 181],
  personality: [135, 92],
  modify_ldt: old(154),
  iopl: old(172),
  ioperm: old(173),
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  acct: [163, 89],
  syslog: [103, 116],
  quotactl: [179, 60],
  vhangup: [153, 58],
} satisfies Record<string, Numbers>;

/** Other processes: to make them, and to end them. */
const ofProcesses = { fork: old(57), vfork: old(58), kill: [62, 129], tgkill: [234, 131] } satisfies Record<
  string,
  Numbers
>;
/** Calls of Linux 5.10 and newer; programs that run on an older one go without them. */
const firstNew = 440;

export type Architecture = 'x64' | 'arm64';

/** Those that the launcher of the jail makes, or hears of. */
export const numbersOf = (architecture: Architecture) => {
  const at = architecture === 'x64' ? 0 : 1;
  return {
    execve: [59, 221][at] ?? 0,
    geteuid: [107, 175][at] ?? 0,
    chroot: [161, 51][at] ?? 0,
    clone: [56, 220][at] ?? 0,
    openat: [257, 56][at] ?? 0,
    seccomp: [317, 277][at] ?? 0,
    prctl: [157, 167][at] ?? 0,
    capget: [125, 90][at] ?? 0,
    capset: [126, 91][at] ?? 0,
    ioctl: [16, 29][at] ?? 0,
    ppoll: [271, 73][at] ?? 0,
    prlimit64: [302, 261][at] ?? 0,
  };
};

/** See `Jail`. */
export type Work = 'restore' | 'filter' | 'look' | 'sort' | 'read' | 'inspect' | 'remove';

interface Calls {
  /** These exist and no others; or all exist but these. */
  kind: 'allowed' | 'refused';
  calls: Record<string, Numbers>;
  /** Files may be opened for writing. */
  isWriting: boolean;
  /** Other processes may be made. */
  hasProcesses: boolean;
}

/** Node.js and shells call what their versions and that of the kernel like: for those a list of all that they need cannot be kept. */
const callsOf: Record<Work, Calls> = {
  filter: { kind: 'allowed', calls: ofAny, isWriting: false, hasProcesses: false },
  look: { kind: 'allowed', calls: { ...ofAny, ...ofReaders }, isWriting: false, hasProcesses: false },
  sort: { kind: 'allowed', calls: { ...ofAny, ...ofRemovers, ...ofSorting }, isWriting: true, hasProcesses: false },
  restore: {
    kind: 'allowed',
    calls: { ...ofAny, ...ofReaders, ...ofRemovers, ...ofWriters, pwrite64: [18, 68] },
    isWriting: true,
    hasProcesses: false,
  },
  read: {
    kind: 'refused',
    calls: { ...ofOthers, ...ofRemovers, ...ofWriters, ...ofProcesses },
    isWriting: false,
    hasProcesses: false,
  },
  inspect: { kind: 'refused', calls: { ...ofOthers, ...ofWriters }, isWriting: true, hasProcesses: true },
  remove: { kind: 'refused', calls: { ...ofOthers, ...ofWriters }, isWriting: false, hasProcesses: true },
};

const [allow, notify, missing, kill] = [0x7fff0000, 0x7fc00000, 0x00050026, 0x80000000];
const auditArchitecture = { x64: 0xc000003e, arm64: 0xc00000b7 };
const [numberAt, architectureAt] = [0, 4];
/** The lower half of an argument. */
const argumentAt = (index: number) => 16 + index * 8;
const [load, equal, atLeast, anyBit, end] = [0x20, 0x15, 0x35, 0x45, 0x06];

const present = (number: number | undefined): number[] => (number === undefined ? [] : [number]);

const threadFlag = 0x10000;
/** Namespaces of any kind. */
const namespaceFlags = 0x7e020000;
/** Opening for writing, with O_CREAT, O_TRUNC or O_TMPFILE. */
const writingFlags = 0x3 | 0x40 | 0x200 | 0x400000;

/**
 * The program of the filter, for struct sock_filter. A `restore` has its calls of execve, geteuid and chroot decided by the
 * launcher, until that has changed its root; from then on they do not exist.
 */
export function seccompFilter(work: Work, architecture: Architecture): Buffer {
  const at = architecture === 'x64' ? 0 : 1;
  const { execve, geteuid, chroot, clone } = numbersOf(architecture);
  const { kind, calls, isWriting, hasProcesses } = callsOf[work];
  const program: [code: number, whenTrue: number, whenFalse: number, value: number][] = [];
  const onCall = (number: number, result: number) => program.push([equal, 0, 1, number], [end, 0, 0, result]);
  /** Decides by bits of an argument; what was loaded is another thing then, so one of the results ends it. */
  const onBits = (number: number, argument: number, bits: number, some: number, none: number) =>
    program.push(
      [equal, 0, 4, number],
      [load, 0, 0, argumentAt(argument)],
      [anyBit, 0, 1, bits],
      [end, 0, 0, some],
      [end, 0, 0, none],
    );

  program.push([load, 0, 0, architectureAt], [equal, 1, 0, auditArchitecture[architecture]], [end, 0, 0, kill]);
  program.push([load, 0, 0, numberAt]);
  // Also those of x32, of which the numbers are high.
  if (kind === 'refused') program.push([atLeast, 0, 1, firstNew], [end, 0, 0, missing]);
  const [listed, others] = kind === 'allowed' ? [allow, missing] : [missing, allow];
  for (const numbers of Object.values(calls)) for (const number of present(numbers[at])) onCall(number, listed);
  if (work === 'restore') for (const number of [execve, geteuid, chroot]) onCall(number, notify);
  else {
    for (const number of [execve, geteuid]) onCall(number, allow);
    if (hasProcesses) onBits(clone, 0, namespaceFlags, missing, allow);
    else onBits(clone, 0, threadFlag, allow, missing);
  }
  for (const { numbers, flags } of Object.values(ofOpening)) {
    for (const number of present(numbers[at])) {
      if (isWriting) onCall(number, allow);
      else onBits(number, flags, writingFlags, missing, allow);
    }
  }
  program.push([end, 0, 0, others]);

  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, [code, whenTrue, whenFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(whenTrue, index * 8 + 2);
    bytes.writeUInt8(whenFalse, index * 8 + 3);
    bytes.writeUInt32LE(value, index * 8 + 4);
  }
  return bytes;
}
