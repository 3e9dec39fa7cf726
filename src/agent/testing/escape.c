// A program that has been taken over: it tries to get out of its jail in every way it knows, and writes what came of each.
// "held" is what a jail does; anything else is a way out.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <linux/capability.h>

// Direct calls: what the C library would try instead of a call that is missing counts as an attempt of its own.
static void attempt(const char *what, long result) {
  int error = errno;
  printf("%s: %s (%s)\n", result < 0 ? "held" : "OUT", what, result < 0 ? strerror(error) : "done");
  fflush(stdout);
}

static void system_calls(void) {
  attempt("chroot", syscall(SYS_chroot, "."));
  attempt("unshare of mounts", syscall(SYS_unshare, CLONE_NEWNS));
  attempt("unshare of users", syscall(SYS_unshare, CLONE_NEWUSER));
  attempt("mount", syscall(SYS_mount, "none", "/", "tmpfs", 0, 0));
  attempt("umount", syscall(SYS_umount2, "/", MNT_DETACH));
  attempt("pivot_root", syscall(SYS_pivot_root, ".", "."));
  attempt("setns", syscall(SYS_setns, 0, 0));
  attempt("ptrace of the parent", syscall(SYS_ptrace, PTRACE_ATTACH, getppid(), 0, 0));
  attempt("signal to the parent", syscall(SYS_kill, getppid(), 0));
  attempt("signal by descriptor", syscall(434, getppid(), 0));
  attempt("memory of the parent", syscall(SYS_process_vm_readv, getppid(), 0, 0, 0, 0, 0));
  attempt("fork", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  attempt("clone with namespaces", syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0, 0));
  attempt("clone3", syscall(435, 0, 0));
  attempt("socket of the internet", syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
  attempt("socket of the machine", syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
  attempt("socket of packets", syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0));
  attempt("socket of the kernel", syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0));
  attempt("io_uring", syscall(425, 8, 0));
  attempt("bpf", syscall(SYS_bpf, 0, 0, 0));
  attempt("userfaultfd", syscall(SYS_userfaultfd, 0));
  attempt("keys", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
  attempt("modules", syscall(SYS_init_module, 0, 0, ""));
  attempt("file by handle", syscall(SYS_open_by_handle_at, AT_FDCWD, 0, 0));
  attempt("another user", syscall(SYS_setuid, 1000));
  attempt("capabilities", syscall(SYS_capset, 0, 0));
  attempt("attributes of the process", syscall(SYS_prctl, 24, 0, 0, 0, 0));
  attempt("personality", syscall(SYS_personality, 0xffffffff));
  attempt("terminal", syscall(SYS_ioctl, 0, 0x5412, ""));
}

static void files(const char *outside) {
  char path[4096];
  attempt("reading outside (Landlock)", syscall(SYS_openat, AT_FDCWD, (snprintf(path, sizeof path, "%s/file", outside), path), O_RDONLY));
  attempt("listing outside (Landlock)", syscall(SYS_openat, AT_FDCWD, outside, O_RDONLY | O_DIRECTORY));
  attempt("the token of the agent (Landlock)", syscall(SYS_openat, AT_FDCWD, "/proc/1/environ", O_RDONLY));
  attempt("writing outside", syscall(SYS_openat, AT_FDCWD, path, O_WRONLY));
  attempt("emptying outside", syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_TRUNC));
  attempt("mode outside", syscall(SYS_fchmodat, AT_FDCWD, path, 04777));
  attempt("owner outside", syscall(SYS_fchownat, AT_FDCWD, path, 1000, 1000, 0));
  attempt("attributes outside", syscall(SYS_setxattr, path, "user.x", "x", 1, 0));
  attempt("times outside", syscall(SYS_utimensat, AT_FDCWD, path, 0, 0));
  attempt("removing outside", syscall(SYS_unlinkat, AT_FDCWD, path, 0));
  snprintf(path, sizeof path, "%s/evil", outside);
  attempt("a new file outside", syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT, 0644));
  attempt("a new directory outside", syscall(SYS_mkdirat, AT_FDCWD, path, 0755));
  attempt("a new device outside", syscall(SYS_mknodat, AT_FDCWD, path, S_IFCHR | 0666, 0x103));
}

// The classical way: another root below, and up from the old working directory.
static void climb(const char *outside) {
  char path[4096] = "";
  mkdir("down", 0755);
  int here = open(".", O_RDONLY | O_DIRECTORY);
  attempt("a root below", syscall(SYS_chroot, "down"));
  fchdir(here);
  for (int i = 0; i < 64; i++) chdir("..");
  struct stat root, at;
  attempt("up and up", stat("/", &root) || stat(".", &at) || root.st_ino == at.st_ino ? (errno = EXDEV, -1) : 0);
  for (int i = 0; i < 32; i++) strcat(path, "../");
  strcat(path, outside);
  attempt("a path up and out", syscall(SYS_openat, AT_FDCWD, path, O_RDONLY));
  symlink(outside, "link");
  attempt("a link out", syscall(SYS_openat, AT_FDCWD, "link/file", O_RDONLY));
  attempt("a hard link out", syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, "hard", 0));
  attempt("the root of another process", syscall(SYS_openat, AT_FDCWD, "/proc/1/root", O_RDONLY));
  attempt("a descriptor that was left", fcntl(3, F_GETFD) >= 0 && here != 3 ? 0 : (errno = EBADF, -1));
  attempt("another program", syscall(SYS_execve, "/bin/sh", 0, 0));
  mkdir("inside", 0755);
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  // What the jail waits for before it closes, as the programs that it is for do it.
  setvbuf(stdout, 0, _IOLBF, 0);
  (void)!geteuid();
  if (!strcmp(arguments[1], "restore") || !strcmp(arguments[1], "memory")) (void)!chroot(".");
  if (!strcmp(arguments[1], "memory")) {
    long bytes = 0;
    for (char *piece; bytes < 128 && (piece = malloc(1 << 20)); bytes++) memset(piece, 1, 1 << 20);
    errno = ENOMEM;
    attempt("128 MiB", bytes < 128 ? -1 : 0);
    return 0;
  }
  if (strcmp(arguments[1], "files")) system_calls();
  files(arguments[2]);
  if (!strcmp(arguments[1], "restore")) climb(arguments[2]);
  return 0;
}
