/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * silent-bus HOW SOCKET COMMAND...: runs a command while a socket is there that is no good as a bus, and ends as the
 * command does.  HOW: "ignore" listens and never accepts, "accept" does that and no more, "hangup" closes what it has
 * accepted, "junk" says something that is no D-Bus.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int die(const char *what)
{
	perror(what);
	exit(125);
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	strcpy(addr.sun_path, path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0)
		die(path);
	return fd;
}

static void serve(int fd, const char *how)
{
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	if (client < 0)
		return;
	if (strcmp(how, "junk") == 0 && send(client, "what do you want?\r\n", 19, MSG_NOSIGNAL) < 0)
		die("send");
	if (strcmp(how, "hangup") == 0)
		close(client);
}

int main(int argc, char **argv)
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int status;
	pid_t pid;

	if (argc < 4)
		return 125;
	fds[0].fd = strcmp(argv[1], "ignore") == 0 ? -1 : listen_at(argv[2]);
	if (fds[0].fd < 0)
		listen_at(argv[2]);
	pid = fork();
	if (pid == 0) {
		execvp(argv[3], argv + 3);
		die(argv[3]);
	}
	fds[1].fd = pid < 0 ? -1 : pidfd_open(pid, 0);
	if (fds[1].fd < 0)
		die("pidfd_open");
	while (poll(fds, 2, -1) > 0 && !fds[1].revents)
		serve(fds[0].fd, argv[1]);
	if (waitpid(pid, &status, 0) < 0)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
