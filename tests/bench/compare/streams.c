/* A loader for many streams at once, which neither wrk nor h2load can measure: when did each event come?
 *
 * `streams PORT STREAMS STAGGER_MS REPEAT_MS PATIENCE_S REQUEST_FILE` sends the request (a whole HTTP request, read
 * from the file) on STREAMS connections whose starts are spread evenly over STAGGER_MS, asks again after each answer
 * until REPEAT_MS have passed, waits for PATIENCE_S at the most, and prints one line:
 *
 *   answers=N events=N seconds=S first_us=P50 late_p50_us=P50 late_p99_us=P99 unfinished=N failed=N
 *
 * `late` is from the stamp in an event (`@` and 20 digits: nanoseconds of the monotonic clock, see upstream.c) to its
 * coming here; -1 where events carry none. An answer is whole when its `[DONE]` and its last chunk have come; what
 * is closed before, or has another status than 200, has failed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_STREAMS 4096
#define KEPT 64            /* an event's words may come in two pieces: so much is kept of the last one */

struct stream {
    int fd, started, status, done, ended, last_chunk;
    int64_t begin_ns, sent_ns;
    char tail[KEPT], size_line[32];
    size_t tail_length, size_length, chunk_left;
};

static struct stream streams[MOST_STREAMS];
static char request[1 << 20];
static size_t request_length;
static int64_t *late, *firsts;
static size_t late_count, late_room, first_count, first_room;
static int64_t repeat_until_ns;
static long answers, events, failed;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int by_size(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static double percentile_us(int64_t *values, size_t count, int percent) {
    if (!count)
        return -1;
    qsort(values, count, sizeof *values, by_size);
    size_t at = count * (size_t)percent / 100;
    return (double)values[at < count ? at : count - 1] / 1000;
}

static void note_late(int64_t ns) {
    if (late_count == late_room)
        late = realloc(late, (late_room = late_room ? late_room * 2 : 65536) * sizeof *late);
    late[late_count++] = ns;
}

static int begin(struct stream *stream) {
    stream->status = stream->done = stream->ended = stream->last_chunk = 0;
    stream->tail_length = stream->size_length = stream->chunk_left = 0;
    stream->started = 1;
    stream->sent_ns = now_ns();
    return send(stream->fd, request, request_length, MSG_NOSIGNAL) == (ssize_t)request_length;
}

/* Count the events in `text`, of which the first `old` bytes were seen before. */
static void read_events(struct stream *stream, char *text, size_t length, size_t old, int64_t now) {
    char *end = text + length, *at = text;
    while ((at = memmem(at, (size_t)(end - at), "data:", 5))) {
        if (at + 5 > text + old)
            events++;
        at += 5;
    }
    for (at = text; (at = memchr(at, '@', (size_t)(end - at))); at++)
        if (at + 21 <= end && at + 21 > text + old)
            note_late(now - strtoll(at + 1, NULL, 10));
    if (memmem(text, length, "[DONE]", 6))
        stream->done = 1;
}

/* Take the chunks apart: what they carry is moved to `text`. Returns how much that is; `ended` after the last one. */
static size_t take_chunks(struct stream *stream, const char *data, size_t length, char *text) {
    size_t used = 0, carried = 0;
    while (used < length && !stream->ended) {
        if (stream->chunk_left > 2) { /* its bytes, before the CR LF that closes it */
            size_t part = stream->chunk_left - 2 < length - used ? stream->chunk_left - 2 : length - used;
            memcpy(text + carried, data + used, part);
            carried += part;
            used += part;
            stream->chunk_left -= part;
        } else if (stream->chunk_left) {
            used++;
            if (--stream->chunk_left == 0 && stream->last_chunk)
                stream->ended = 1;
        } else {
            char byte = data[used++];
            if (byte == '\n') {
                stream->size_line[stream->size_length] = 0;
                stream->chunk_left = strtoul(stream->size_line, NULL, 16) + 2;
                stream->last_chunk = stream->chunk_left == 2;
                stream->size_length = 0;
            } else if (stream->size_length < sizeof stream->size_line - 1) {
                stream->size_line[stream->size_length++] = byte;
            }
        }
    }
    return carried;
}

/* The head is taken as one with the first bytes: all servers here send it in one piece. NULL when it is a failure. */
static char *skip_head(struct stream *stream, char *data, size_t length, int64_t now) {
    char *end = memmem(data, length, "\r\n\r\n", 4);
    stream->status = length >= 12 ? atoi(data + 9) : -1;
    if (first_count == first_room)
        firsts = realloc(firsts, (first_room = first_room ? first_room * 2 : 1024) * sizeof *firsts);
    firsts[first_count++] = now - stream->sent_ns;
    if (end && stream->status == 200 && memmem(data, (size_t)(end - data), "hunked", 6))
        return end + 4;
    fprintf(stderr, "%.*s\n", (int)(length < 600 ? length : 600), data);
    return NULL;
}

/* What came. 1: more to come, 0: the answer is whole, -1: it failed. */
static int receive(struct stream *stream) {
    static char data[262144], text[KEPT + sizeof data];
    ssize_t got = recv(stream->fd, data, sizeof data, 0);
    int64_t now = now_ns();
    char *body = data;
    size_t old = stream->tail_length, length;
    if (got <= 0)
        return got < 0 && errno == EAGAIN ? 1 : -1;
    if (!stream->status && !(body = skip_head(stream, data, (size_t)got, now)))
        return -1;
    memcpy(text, stream->tail, old);
    length = old + take_chunks(stream, body, (size_t)(data + got - body), text + old);
    read_events(stream, text, length, old, now);
    stream->tail_length = length < KEPT ? length : KEPT;
    memcpy(stream->tail, text + length - stream->tail_length, stream->tail_length);
    return !stream->ended ? 1 : stream->done ? 0 : -1;
}

static void open_all(int port, int count, int epoll_fd) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        streams[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(streams[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(streams[i].fd, (struct sockaddr *)&address, sizeof address)) {
            perror("streams: connect");
            exit(1);
        }
        fcntl(streams[i].fd, F_SETFL, O_NONBLOCK);
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, streams[i].fd, &event);
    }
}

static void on_stream(struct stream *stream, int *open, int epoll_fd) {
    int state = stream->started ? receive(stream) : -1;
    if (state == 1)
        return;
    answers += state == 0;
    failed += state < 0;
    if (state == 0 && now_ns() < repeat_until_ns && begin(stream))
        return;
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, stream->fd, NULL);
    close(stream->fd);
    --*open;
}

int main(int argc, char **argv) {
    struct epoll_event ready[256];
    if (argc != 7)
        return 2;
    int count = atoi(argv[2]), open = count, unstarted = 0, epoll_fd = epoll_create1(0);
    int64_t stagger_ns = atoll(argv[3]) * 1000000LL, patience_ns = atoll(argv[5]) * 1000000000LL;
    FILE *file = fopen(argv[6], "rb");
    if (!file || count < 1 || count > MOST_STREAMS)
        return 2;
    request_length = fread(request, 1, sizeof request, file);
    open_all(atoi(argv[1]), count, epoll_fd);
    int64_t start = now_ns(), now = start;
    repeat_until_ns = start + atoll(argv[4]) * 1000000LL;
    for (int i = 0; i < count; i++)
        streams[i].begin_ns = start + stagger_ns * i / count;
    while (open && now - start < patience_ns) {
        for (now = now_ns(); unstarted < count && streams[unstarted].begin_ns <= now; unstarted++)
            if (!begin(&streams[unstarted]))
                failed++;
        int events_ready = epoll_wait(epoll_fd, ready, 256, unstarted < count ? 1 : 1000);
        for (int i = 0; i < events_ready; i++)
            on_stream(&streams[ready[i].data.u32], &open, epoll_fd);
        now = now_ns();
    }
    printf("answers=%ld events=%ld seconds=%.6f first_us=%.1f late_p50_us=%.1f late_p99_us=%.1f unfinished=%d failed=%ld\n",
           answers, events, (double)(now - start) / 1e9, percentile_us(firsts, first_count, 50),
           percentile_us(late, late_count, 50), percentile_us(late, late_count, 99), open, failed);
    return 0;
}
