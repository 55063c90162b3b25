/* The canned upstream of the comparison: one epoll loop in C, so that it is never what is measured.
 *
 * `upstream PORT` listens on 127.0.0.1 (0: a port that the system chooses), prints the port, and serves until it is
 * killed. The path's first part chooses the answer, whatever the request's body says:
 *
 *   /1k    a chat completion of 1 KB              /100k   one of 100 KB
 *   /fast  200 events, one write each             /long   10,000 events of 64 bytes, as fast as the reader reads
 *   /paced 200 events, 50 a second; each carries the monotonic time of its sending as 20 digits of nanoseconds
 *   /brief as paced, but 50 events                /count  how many requests with a body came so far, as text
 *
 * Law: it reads no more of a request than its path and where it ends; requests are answered in order, one at a time.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define FAST_EVENTS 200
#define PACED_EVENTS 200
#define BRIEF_EVENTS 50
#define LONG_EVENTS 10000
#define PACE_NS 20000000LL
#define IN_BYTES 16384
#define WRITE_BYTES 65536
#define MOST_FDS 16384

#define JSON_HEAD "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n"
#define SSE_HEAD "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
#define EVENT_BEGIN "{\"id\":\"chatcmpl-canned\",\"object\":\"chat.completion.chunk\",\"created\":1795229407,\"model\":\"canned\",\"choices\":["
#define USAGE "{\"prompt_tokens\":12,\"completion_tokens\":200,\"total_tokens\":212}"

struct answer {           /* bytes, and where each write ends (NULL: written in blocks) */
    char *bytes;
    size_t length, *ends;
};

struct client {
    int open;
    char *in;             /* what was received of a head that is not whole */
    size_t in_length, body_left;
    const struct answer *answer; /* what is being sent, up to `sent` */
    size_t sent, next_end;
    int paced, paced_events; /* events left to send, of so many */
    int64_t due_ns;
    int wants_write;
    char path[16];
};

static struct client clients[MOST_FDS];
static struct answer small, large, fast, endless, paced_end;
static int paced_fds[MOST_FDS], paced_count, epoll_fd, timer_fd;
static unsigned long long requests;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void append(struct answer *answer, const char *bytes, size_t length) {
    answer->bytes = realloc(answer->bytes, answer->length + length + 1);
    memcpy(answer->bytes + answer->length, bytes, length);
    answer->length += length;
}

static void append_event(struct answer *answer, const char *data) {
    char line[1024], chunk[1100];
    int length = snprintf(line, sizeof line, "data: %s\n\n", data);
    int whole = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n", length, line);
    append(answer, chunk, (size_t)whole);
}

static void append_stream_end(struct answer *answer) {
    append_event(answer, EVENT_BEGIN "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}");
    append_event(answer, EVENT_BEGIN "],\"usage\":" USAGE "}");
    append_event(answer, "[DONE]");
    append(answer, "0\r\n\r\n", 5);
}

static void make_plain(struct answer *answer, size_t content_bytes) {
    char *body = malloc(content_bytes + 1024), head[256];
    size_t length = (size_t)sprintf(body, "{\"id\":\"chatcmpl-canned\",\"object\":\"chat.completion\",\"created\":1795229407,"
        "\"model\":\"canned\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
    for (size_t i = 0; i < content_bytes; i++)
        body[length++] = "lorem ipsum "[i % 12];
    length += (size_t)sprintf(body + length, "\"},\"finish_reason\":\"stop\",\"logprobs\":null}],\"usage\":" USAGE "}");
    append(answer, head, (size_t)sprintf(head, JSON_HEAD, length));
    append(answer, body, length);
    free(body);
}

static void make_answers(void) {
    char data[512];
    make_plain(&small, 780);
    make_plain(&large, 102160);
    append(&fast, SSE_HEAD, strlen(SSE_HEAD));
    fast.ends = malloc((FAST_EVENTS + 2) * sizeof(size_t));
    for (int i = 0; i < FAST_EVENTS; i++) {
        snprintf(data, sizeof data, EVENT_BEGIN "{\"index\":0,\"delta\":{%s\"content\":\" word%d\"},\"finish_reason\":null}],\"usage\":null}",
                 i ? "" : "\"role\":\"assistant\",", i);
        append_event(&fast, data);
        fast.ends[i] = fast.length;
    }
    append_stream_end(&fast);
    fast.ends[FAST_EVENTS] = fast.length;
    append(&endless, SSE_HEAD, strlen(SSE_HEAD));
    for (int i = 0; i < LONG_EVENTS; i++) { /* "data: " + 56 + "\n\n" = 64 */
        snprintf(data, sizeof data, "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%07d \"}}]}", i);
        append_event(&endless, data);
    }
    append_stream_end(&endless);
    append_stream_end(&paced_end);
}

static void watch(int fd, int wants_write) {
    struct epoll_event event = {.events = EPOLLIN | (wants_write ? EPOLLOUT : 0), .data.fd = fd};
    if (clients[fd].wants_write == wants_write)
        return;
    clients[fd].wants_write = wants_write;
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

static void hang_up(int fd) {
    for (int i = 0; i < paced_count; i++)
        if (paced_fds[i] == fd)
            paced_fds[i--] = paced_fds[--paced_count];
    free(clients[fd].in);
    memset(&clients[fd], 0, sizeof clients[fd]);
    close(fd);
}

/* Go on with the answer. 0 when the client is gone. */
static int send_on(int fd) {
    struct client *client = &clients[fd];
    while (client->answer && client->sent < client->answer->length) {
        const struct answer *answer = client->answer;
        size_t end = answer->ends ? answer->ends[client->next_end] : answer->length;
        if (!answer->ends && end - client->sent > WRITE_BYTES)
            end = client->sent + WRITE_BYTES;
        ssize_t done = send(fd, answer->bytes + client->sent, end - client->sent, MSG_NOSIGNAL);
        if (done < 0) {
            if (errno != EAGAIN)
                return 0;
            watch(fd, 1);
            return 1;
        }
        client->sent += (size_t)done;
        if (answer->ends && client->sent == end)
            client->next_end++;
    }
    client->answer = NULL;
    watch(fd, 0);
    return 1;
}

static int begin_paced(int fd, int events) {
    struct client *client = &clients[fd];
    if (send(fd, SSE_HEAD, strlen(SSE_HEAD), MSG_NOSIGNAL) < 0)
        return 0;
    client->paced = client->paced_events = events;
    client->due_ns = now_ns();
    paced_fds[paced_count++] = fd;
    return 1;
}

/* One event of a paced stream, stamped as it leaves. A reader that lets its buffer fill up is cut off. */
static int send_paced(int fd) {
    struct client *client = &clients[fd];
    struct answer event = {0};
    char data[512];
    int sent;
    snprintf(data, sizeof data, EVENT_BEGIN "{\"index\":0,\"delta\":{%s\"content\":\"@%020lld\"},\"finish_reason\":null}],\"usage\":null}",
             client->paced == client->paced_events ? "\"role\":\"assistant\"," : "", (long long)now_ns());
    append_event(&event, data);
    sent = send(fd, event.bytes, event.length, MSG_NOSIGNAL) == (ssize_t)event.length;
    free(event.bytes);
    client->due_ns += PACE_NS;
    if (sent && --client->paced == 0)
        sent = send(fd, paced_end.bytes, paced_end.length, MSG_NOSIGNAL) == (ssize_t)paced_end.length;
    return sent;
}

static void run_paced(void) {
    int64_t now = now_ns();
    for (int i = 0; i < paced_count; i++) {
        int fd = paced_fds[i];
        if (clients[fd].due_ns > now)
            continue;
        if (!send_paced(fd)) {
            hang_up(fd);
            i--;
        } else if (clients[fd].paced == 0) {
            paced_fds[i--] = paced_fds[--paced_count];
        }
    }
}

static void set_timer(void) {
    struct itimerspec when = {0};
    int64_t due = INT64_MAX;
    for (int i = 0; i < paced_count; i++)
        if (clients[paced_fds[i]].due_ns < due)
            due = clients[paced_fds[i]].due_ns;
    if (paced_count) {
        when.it_value.tv_sec = due / 1000000000LL;
        when.it_value.tv_nsec = due % 1000000000LL;
    }
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static int send_count(int fd) {
    char body[32], whole[256];
    int length = sprintf(body, "%llu", requests);
    length = sprintf(whole, "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%s", length, body);
    return send(fd, whole, (size_t)length, MSG_NOSIGNAL) == length;
}

static int answer_request(int fd) {
    struct client *client = &clients[fd];
    const char *path = client->path;
    if (!strcmp(path, "count"))
        return send_count(fd);
    requests++;
    client->sent = client->next_end = 0;
    if (!strcmp(path, "paced"))
        return begin_paced(fd, PACED_EVENTS);
    if (!strcmp(path, "brief"))
        return begin_paced(fd, BRIEF_EVENTS);
    client->answer = !strcmp(path, "1k") ? &small : !strcmp(path, "100k") ? &large : !strcmp(path, "fast") ? &fast
                     : !strcmp(path, "long") ? &endless : NULL;
    return client->answer ? send_on(fd) : 0;
}

/* The head in `in` is whole up to `length`: keep its path, tell how long its body is (-1: nothing to make of it). */
static long read_head(struct client *client, size_t length) {
    char *slash = memchr(client->in, '/', length), *field;
    size_t path = 0;
    if (!slash)
        return -1;
    while (path < sizeof client->path - 1 && slash[1 + path] != '/' && slash[1 + path] != ' ' && slash[1 + path] != '?') {
        client->path[path] = slash[1 + path];
        path++;
    }
    client->path[path] = 0;
    client->in[length - 1] = 0;
    if (strcasestr(client->in, "\r\ntransfer-encoding:"))
        return -1;
    field = strcasestr(client->in, "\r\ncontent-length:");
    return field ? strtol(field + 17, NULL, 10) : 0;
}

/* Whatever was received: bodies are counted off, heads are read. 0 when the client sends what nobody understands. */
static int take(int fd, char *data, size_t length) {
    struct client *client = &clients[fd];
    while (length || (client->in_length && !client->body_left)) {
        if (client->body_left) {
            size_t body = length < client->body_left ? length : client->body_left;
            data += body;
            length -= body;
            if ((client->body_left -= body) == 0 && !answer_request(fd))
                return 0;
            continue;
        }
        size_t room = IN_BYTES - client->in_length, part = length < room ? length : room;
        memcpy(client->in + client->in_length, data, part);
        char *end = memmem(client->in, client->in_length + part, "\r\n\r\n", 4);
        if (!end) {
            client->in_length += part;
            return part == length && client->in_length < IN_BYTES;
        }
        size_t head = (size_t)(end - client->in) + 4, used = head - client->in_length;
        long body = read_head(client, head);
        data += used;
        length -= used;
        client->in_length = 0;
        if (body < 0 || (body == 0 && !answer_request(fd)))
            return 0;
        client->body_left = (size_t)body;
    }
    return 1;
}

static void on_client(int fd, uint32_t events) {
    static char data[262144];
    if (!clients[fd].open)
        return;
    if ((events & EPOLLOUT) && !send_on(fd)) {
        hang_up(fd);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t length = recv(fd, data, sizeof data, 0);
        if (length == 0 || (length < 0 && errno != EAGAIN) || (length > 0 && !take(fd, data, (size_t)length)))
            hang_up(fd);
    }
}

static void accept_all(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd >= MOST_FDS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        clients[fd].open = 1;
        clients[fd].in = malloc(IN_BYTES);
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listen_on(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) {
        perror("upstream");
        exit(1);
    }
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(int argc, char **argv) {
    struct epoll_event events[256];
    int listener = listen_on(argc > 1 ? atoi(argv[1]) : 0);
    uint64_t ticks;
    make_answers();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    events[0] = (struct epoll_event){.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &events[0]);
    events[0] = (struct epoll_event){.events = EPOLLIN, .data.fd = timer_fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &events[0]);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                accept_all(listener);
            else if (fd == timer_fd)
                (void)!read(timer_fd, &ticks, sizeof ticks);
            else
                on_client(fd, events[i].events);
        }
        if (paced_count) {
            run_paced();
            set_timer();
        }
    }
}
