/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memcg-reaperd: keeps removed memory cgroups from living on as zombies.
 * Exit codes: 0 stopped as asked, 1 failure, 2 bad usage, 3 this system cannot be served,
 * 4 another one is running.
 */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "drain.h"
#include "hierarchy.h"
#include "log.h"
#include "manager.h"
#include "restore.h"
#include "shield.h"
#include "util.h"

#define LOCK_FILE RUN_DIR "/lock"

enum { EXIT_USAGE = 2, EXIT_UNSUPPORTED = 3, EXIT_RUNNING = 4 };

static const char *arg_config;
static bool arg_restore;

static void usage(FILE *to)
{
	fputs("usage: memcg-reaperd [--config=FILE] [--restore] [--debug]\n"
	      "  --config=FILE  read FILE and nothing else\n"
	      "  --restore      only put back what a killed daemon had changed, and exit\n"
	      "  --debug        say more\n"
	      "  --version      say which version this is\n"
	      "Started by memcg-reaperd.service; see memcg-reaperd.service(8).\n", to);
}

/* Negative: go on. */
static int parse_args(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "restore", no_argument, NULL, 'r' },
		{ "debug", no_argument, NULL, 'd' },	    { "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },	    { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (c) {
		case 'c':
			arg_config = optarg;
			break;
		case 'r':
			arg_restore = true;
			break;
		case 'd':
			log_set_level(LOG_DEBUG);
			break;
		case 'V':
			puts("memcg-reaperd " MCR_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	usage(stderr);
	return EXIT_USAGE;
}

/* Holds the lock as long as it lives, however it ends. fd or errno. */
static int take_lock(void)
{
	int fd;

	if (mkdir(RUN_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static int restore_only(void)
{
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	auto_(closep) int run_fd = open(RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = EXIT_SUCCESS;

	if (run_fd < 0)
		return errno == ENOENT ? EXIT_SUCCESS : EXIT_FAILURE;
	if (mcr_hierarchy_find(&h, NULL) < 0)
		return EXIT_SUCCESS;	/* nothing was changed where there is nothing to change */
	for (size_t i = 0; i < 2; i++) {
		const char *what = i == 0 ? "memory.min" : "memory.swap.max";
		int r = i == 0 ? mcr_shield_recover(h, run_fd) : mcr_restore_recover(h, run_fd, MCR_DRAIN_JOURNAL);

		if (r > 0)
			log_notice("put back %s, which a killed process had changed", what);
		if (r < 0 && r != -EBUSY) {
			log_error("cannot put back %s: %s; the journal is kept", what, strerror(-r));
			result = EXIT_FAILURE;
		}
	}
	return result;
}

static int run(void)
{
	auto_(manager_freep) struct manager *m = NULL;
	int r = manager_new(arg_config, &m);

	if (r == -EOPNOTSUPP || r == -ENODEV)
		return EXIT_UNSUPPORTED;
	if (r >= 0)
		r = manager_run(m);
	if (r < 0)
		log_error("failed: %s", strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	auto_(closep) int lock = -EBADF;
	int r = parse_args(argc, argv);

	if (r >= 0)
		return r;
	lock = take_lock();
	if (lock == -EWOULDBLOCK) {
		log_error("another memcg-reaperd is running");
		return EXIT_RUNNING;
	}
	if (lock < 0) {
		log_error("cannot lock " LOCK_FILE ": %s", strerror(-lock));
		return EXIT_FAILURE;
	}
	return arg_restore ? restore_only() : run();
}
