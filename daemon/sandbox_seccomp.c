/*
 * sandbox_seccomp.c - the front-end's system call filter (Linux, seccomp-bpf).
 * Entered when everything is open and before the first byte of mail. What an attacker who took the
 * front-end over would want next - open a key file, read another process, start a program - answers
 * EPERM. A deny list: the C library may use what it likes for the rest.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "daemon/process.h"

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define THIS_ARCH AUDIT_ARCH_RISCV64
#else
#error "name this machine's AUDIT_ARCH_ here, or configure with --disable-sandbox"
#endif

#define DENY(number)                                                                               \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),                                       \
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

static const struct sock_filter program[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef __x86_64__
    /* x32 numbers would pass the list below. */
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
#endif
    DENY(SYS_openat),
    DENY(SYS_execve),
    DENY(SYS_execveat),
    DENY(SYS_ptrace),
    DENY(SYS_process_vm_readv),
    DENY(SYS_process_vm_writev),
    DENY(SYS_openat2),
    DENY(SYS_open_by_handle_at),
    DENY(SYS_unlinkat),
    DENY(SYS_renameat2),
    DENY(SYS_linkat),
    DENY(SYS_symlinkat),
    DENY(SYS_mkdirat),
    DENY(SYS_mknodat),
    DENY(SYS_truncate),
    DENY(SYS_fchmodat),
    DENY(SYS_fchownat),
    DENY(SYS_pidfd_open),
    DENY(SYS_pidfd_getfd),
    DENY(SYS_kill),
    DENY(SYS_unshare),
    DENY(SYS_setns),
    DENY(SYS_userfaultfd),
    DENY(SYS_keyctl),
    DENY(SYS_add_key),
    DENY(SYS_request_key),
    DENY(SYS_mount),
    DENY(SYS_chroot),
    DENY(SYS_bpf),
    DENY(SYS_perf_event_open),
    DENY(SYS_io_uring_setup),
#ifdef SYS_renameat
    DENY(SYS_renameat),
#endif
#ifdef SYS_open
    DENY(SYS_open),
    DENY(SYS_creat),
    DENY(SYS_unlink),
    DENY(SYS_rename),
    DENY(SYS_link),
    DENY(SYS_symlink),
    DENY(SYS_mkdir),
    DENY(SYS_mknod),
    DENY(SYS_rmdir),
    DENY(SYS_chmod),
    DENY(SYS_chown),
    DENY(SYS_lchown),
    DENY(SYS_fork),
    DENY(SYS_vfork),
#endif
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

enum status
sandbox_enter(struct err *err)
{
	struct sock_fprog filter = {.len = (unsigned short)(sizeof(program) / sizeof(program[0])),
	    .filter = (struct sock_filter *)(unsigned long)program};

	tzset(); /* syslog's time stamps read /etc/localtime once, now */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0)
		return ST_OK;
	err_set(err, "the kernel refuses the front-end's system call filter: %s", strerror(errno));
	return ST_FAILED;
}
