/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects, their users and refusals, as far as they can be had without privilege. */
#include "shmobject.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "holders.h"
#include "main.h"
#include "util.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static const char *link_of(int fd)
{
	static char link[64];

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", getpid(), fd);
	return link;
}

static int make_memfd(int seals)
{
	int fd = memfd_create("object", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 10000), 0);
	if (seals)
		ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

START_TEST(every_refusal_has_a_name_and_a_sentence)
{
	for (int i = 0; i < MCR_REFUSAL_MAX; i++) {
		ck_assert_ptr_nonnull(mcr_refusal_name(i));
		ck_assert_ptr_nonnull(mcr_refusal_sentence(i));
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(mcr_refusal_name(i), mcr_refusal_name(k));
	}
	ck_assert_str_eq(mcr_refusal_name(MCR_REFUSAL_MAX), "unknown");
	ck_assert_str_eq(mcr_refusal_name(-1), "unknown");
}
END_TEST

START_TEST(a_memfd_is_opened_anew)
{
	struct mcr_shmobject o = MCR_SHMOBJECT_INIT;
	enum mcr_refusal refusal = UNTOUCHED;
	int fd = make_memfd(F_SEAL_SHRINK | F_SEAL_GROW);

	ck_assert_int_eq(mcr_shmobject_open(link_of(fd), &o, &refusal), 0);
	ck_assert_uint_eq(refusal, UNTOUCHED);
	ck_assert_int_ne(o.fd, fd);
	ck_assert_int_eq(o.size, 10000);
	ck_assert(o.internal);
	ck_assert(!o.limited);
	mcr_shmobject_close(&o);
	ck_assert_int_lt(o.fd, 0);
}
END_TEST

START_TEST(what_cannot_be_rewritten_is_refused)
{
	struct mcr_shmobject o = MCR_SHMOBJECT_INIT;
	enum mcr_refusal refusal;

	ck_assert_int_eq(mcr_shmobject_open(link_of(make_memfd(F_SEAL_WRITE)), &o, &refusal), 1);
	ck_assert_int_eq(refusal, MCR_REFUSED_SEAL_WRITE);
	ck_assert_int_eq(mcr_shmobject_open(link_of(make_memfd(F_SEAL_FUTURE_WRITE)), &o, &refusal), 1);
	ck_assert_int_eq(refusal, MCR_REFUSED_SEAL_FUTURE_WRITE);
	ck_assert_int_eq(mcr_shmobject_open("/proc/self/stat", &o, &refusal), 1);
	ck_assert_int_eq(refusal, MCR_REFUSED_NOT_SHMEM);
	ck_assert_int_eq(mcr_shmobject_open("/dev/null", &o, &refusal), 1);
	ck_assert_int_eq(refusal, MCR_REFUSED_NOT_SHMEM);
	ck_assert_int_eq(mcr_shmobject_open("/no/such/file", &o, &refusal), -ENOENT);
	ck_assert_int_lt(o.fd, 0);
}
END_TEST

START_TEST(what_is_sealed_can_be_read_all_the_same)
{
	const int seals[] = { 0, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE };

	for (size_t i = 0; i < ARRAY_SIZE(seals); i++) {
		struct mcr_shmobject o = MCR_SHMOBJECT_INIT;
		enum mcr_refusal refusal = UNTOUCHED;

		ck_assert_int_eq(mcr_shmobject_open_to_read(link_of(make_memfd(seals[i])), &o, &refusal), 0);
		ck_assert_uint_eq(refusal, UNTOUCHED);
		ck_assert_int_eq(o.size, 10000);
		ck_assert_int_eq(fcntl(o.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
		mcr_shmobject_close(&o);
	}
}
END_TEST

START_TEST(what_is_no_shared_memory_is_not_opened_to_read)
{
	struct mcr_shmobject o = MCR_SHMOBJECT_INIT;
	enum mcr_refusal refusal;

	ck_assert_int_eq(mcr_shmobject_open_to_read("/proc/self/stat", &o, &refusal), 1);
	ck_assert_int_eq(refusal, MCR_REFUSED_NOT_SHMEM);
	ck_assert_int_eq(mcr_shmobject_open_to_read("/no/such/file", &o, &refusal), -ENOENT);
	ck_assert_int_lt(o.fd, 0);
}
END_TEST

static const struct mcr_holder *find(const struct mcr_holders *h, pid_t pid)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->at[i].pid == pid)
			return &h->at[i];
	return NULL;
}

/* One child maps it and has it closed, the other has it open. */
START_TEST(who_maps_or_has_it_open_is_found)
{
	struct mcr_shmobject o = MCR_SHMOBJECT_INIT;
	struct mcr_holders *h;
	enum mcr_refusal refusal;
	int fd = make_memfd(0), fds[2];
	pid_t pids[2];
	char c;

	ck_assert_int_eq(pipe(fds), 0);
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			if (i == 0) {
				mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096);
				close(fd);
			}
			if (write(fds[1], "x", 1) == 1)
				pause();
			_exit(0);
		}
		ck_assert_int_eq(read(fds[0], &c, 1), 1);
	}
	ck_assert_int_eq(mcr_shmobject_open(link_of(fd), &o, &refusal), 0);
	ck_assert_int_eq(mcr_holders_find("/proc", o.fd, &h), 0);
	ck_assert_ptr_nonnull(find(h, pids[0]));
	ck_assert(find(h, pids[0])->maps);
	ck_assert_uint_eq(find(h, pids[0])->fds, 0);
	ck_assert_ptr_nonnull(find(h, pids[1]));
	ck_assert(!find(h, pids[1])->maps);
	ck_assert_uint_eq(find(h, pids[1])->fds, 1);
	ck_assert_ptr_null(find(h, getpid()));
	mcr_holders_free(h);
	for (int i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}
END_TEST

/* As the service manager keeps it. */
START_TEST(a_copy_of_our_own_open_file_is_no_holder)
{
	struct mcr_shmobject o = MCR_SHMOBJECT_INIT;
	struct mcr_holders *h;
	enum mcr_refusal refusal;
	int fd = make_memfd(0);
	pid_t pid;

	ck_assert_int_eq(mcr_shmobject_open(link_of(fd), &o, &refusal), 0);
	close(fd);
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	ck_assert_int_eq(mcr_holders_find("/proc", o.fd, &h), 0);
	ck_assert_ptr_null(find(h, pid));
	mcr_holders_free(h);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
END_TEST

START_TEST(descriptors_that_stand_against_it)
{
	ck_assert_int_eq(mcr_descriptor_refusal("anon_inode:[io_uring]"), MCR_REFUSED_IO_URING);
	ck_assert_int_eq(mcr_descriptor_refusal("anon_inode:[userfaultfd]"), MCR_REFUSED_USERFAULTFD);
	ck_assert_int_eq(mcr_descriptor_refusal("anon_inode:kvm-vcpu:0"), MCR_REFUSED_KVM);
	ck_assert_int_eq(mcr_descriptor_refusal("/dev/vfio/12"), MCR_REFUSED_VFIO);
	ck_assert_int_eq(mcr_descriptor_refusal("/dev/vhost-net"), MCR_REFUSED_VHOST);
	ck_assert_int_eq(mcr_descriptor_refusal("/dev/infiniband/uverbs0"), MCR_REFUSED_RDMA);
	ck_assert_int_eq(mcr_descriptor_refusal("/dmabuf:"), MCR_REFUSED_DMA_BUF);
	ck_assert_int_eq(mcr_descriptor_refusal("/memfd:anon_inode:[io_uring]"), MCR_REFUSED_NOT);
	ck_assert_int_eq(mcr_descriptor_refusal("anon_inode:[eventpoll]"), MCR_REFUSED_NOT);
	ck_assert_int_eq(mcr_descriptor_refusal("/dev/null"), MCR_REFUSED_NOT);
	ck_assert_int_eq(mcr_descriptor_refusal(""), MCR_REFUSED_NOT);
}
END_TEST

/* A tree stands in for the cgroups above an owner. */
START_TEST(the_nearest_limit_counts)
{
	uint64_t room = UNTOUCHED;
	int upper, lower;

	ck_assert_int_eq(mkdirat(temp_fd, "u", 0700), 0);
	ck_assert_int_eq(mkdirat(temp_fd, "u/l", 0700), 0);
	upper = openat(temp_fd, "u", O_RDONLY | O_DIRECTORY);
	lower = openat(temp_fd, "u/l", O_RDONLY | O_DIRECTORY);
	put_file(upper, "memory.current", "1000\n");
	put_file(lower, "memory.current", "300\n");
	ck_assert_int_eq(mcr_headroom(lower, &room), 0);
	ck_assert_uint_eq(room, UINT64_MAX);
	put_file(lower, "memory.max", "1000\n");
	put_file(lower, "memory.high", "max\n");
	ck_assert_int_eq(mcr_headroom(lower, &room), 0);
	ck_assert_uint_eq(room, 700);
	put_file(upper, "memory.high", "1100\n");
	ck_assert_int_eq(mcr_headroom(lower, &room), 0);
	ck_assert_uint_eq(room, 100);
	put_file(upper, "memory.max", "900\n");
	ck_assert_int_eq(mcr_headroom(lower, &room), 0);
	ck_assert_uint_eq(room, 0);
}
END_TEST

TEST_MAIN("shmobject", every_refusal_has_a_name_and_a_sentence, a_memfd_is_opened_anew, what_cannot_be_rewritten_is_refused, what_is_sealed_can_be_read_all_the_same,
	  what_is_no_shared_memory_is_not_opened_to_read, who_maps_or_has_it_open_is_found, a_copy_of_our_own_open_file_is_no_holder, descriptors_that_stand_against_it,
	  the_nearest_limit_counts)
