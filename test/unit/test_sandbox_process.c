/* Sandboxes: programs run, stay inside, keep to their limits, and end with the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/time.h"
#include "sandbox/sandbox.h"

#define OUTPUT 65536

struct fixture {
    struct sandbox_host *host;
    struct sandbox *sandbox;
    char output[OUTPUT];
    size_t length;
};

static int setup(void **state)
{
    struct fixture *fixture = heap_alloc(sizeof *fixture);
    *state = fixture;
    return sandbox_host_start(&fixture->host) == RESULT_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->sandbox != NULL)
        sandbox_free(fixture->sandbox);
    sandbox_host_stop(fixture->host);
    heap_free(fixture);
    return 0;
}

/* Reads both outputs into the fixture until the end, what is too much is dropped. */
static enum sandbox_state finish(struct fixture *fixture)
{
    struct sandbox *sandbox = fixture->sandbox;
    uint64_t until = time_monotonic_ns() + 60000000000;
    enum sandbox_state state;
    bool last = false;
    do {
        state = sandbox_update(sandbox);
        last = state >= SANDBOX_FAILED;
        int ends[2] = {sandbox_stdout(sandbox), sandbox_stderr(sandbox)};
        for (int i = 0; i < 2; i++) {
            char bytes[4096];
            ssize_t got;
            while ((got = read(ends[i], bytes, sizeof bytes)) > 0) {
                size_t room = OUTPUT - 1 - fixture->length;
                size_t taken = (size_t)got < room ? (size_t)got : room;
                memcpy(fixture->output + fixture->length, bytes, taken);
                fixture->length += taken;
            }
        }
        struct pollfd ready = {.fd = sandbox_fd(sandbox), .events = POLLIN};
        if (!last)
            (void)poll(&ready, 1, 5);
    } while (!last && time_monotonic_ns() < until);
    fixture->output[fixture->length] = '\0';
    if (state == SANDBOX_FAILED)
        fail_msg("%s", sandbox_failure(sandbox).ptr);
    return state;
}

static const struct sandbox_end *run(struct fixture *fixture, const struct sandbox_spec *spec)
{
    assert_int_equal(sandbox_spawn(fixture->host, spec, &fixture->sandbox), RESULT_OK);
    assert_int_equal(finish(fixture), SANDBOX_ENDED);
    return sandbox_end(fixture->sandbox);
}

static const struct sandbox_end *run_python(struct fixture *fixture, struct sandbox_spec spec,
                                            const char *text)
{
    struct str argv[] = {STR("/usr/bin/python3"), STR("-I"), STR("-c"), str_from_c(text)};
    spec.argv = argv;
    spec.argc = 4;
    return run(fixture, &spec);
}

static void runs_python(void **state)
{
    const struct sandbox_end *end = run_python(*state, (struct sandbox_spec){0},
                                               "import os,sys\nprint(os.getuid(), os.getcwd(),"
                                               "os.uname().nodename)\nsys.exit(7)");
    struct fixture *fixture = *state;
    assert_string_equal(fixture->output, "993 / sandbox\n");
    assert_int_equal(end->cause, SANDBOX_EXITED);
    assert_int_equal(end->value, 7);
    assert_true(end->max_memory_bytes > 1 << 20);
    assert_true(end->cpu_us > 1000 && end->wall_us > 1000);
}

static void says_what_failed(void **state)
{
    struct fixture *fixture = *state;
    struct str argv[] = {STR("/no/such")};
    struct sandbox_spec spec = {.argv = argv, .argc = 1};
    assert_int_equal(sandbox_spawn(fixture->host, &spec, &fixture->sandbox), RESULT_OK);
    while (sandbox_update(fixture->sandbox) < SANDBOX_FAILED)
        usleep(1000);
    assert_int_equal(sandbox_update(fixture->sandbox), SANDBOX_FAILED);
    assert_string_equal(sandbox_failure(fixture->sandbox).ptr,
                        "exec /no/such: No such file or directory");
}

static void reads_input(void **state)
{
    struct fixture *fixture = *state;
    struct str argv[] = {STR("/bin/cat")};
    struct sandbox_spec spec = {.argv = argv, .argc = 1};
    assert_int_equal(sandbox_spawn(fixture->host, &spec, &fixture->sandbox), RESULT_OK);
    assert_int_equal(write(sandbox_stdin(fixture->sandbox), "hi", 2), 2);
    sandbox_close_stdin(fixture->sandbox);
    assert_int_equal(finish(fixture), SANDBOX_ENDED);
    assert_string_equal(fixture->output, "hi");
    struct pollfd ended = {.fd = sandbox_pidfd(fixture->sandbox), .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 60000), 1);
}

static void refuses_bad_places(void **state)
{
    struct fixture *fixture = *state;
    struct str argv[] = {STR("/bin/true")};
    struct sandbox_bind bind = {.from = STR("/usr"), .to = STR("/opt/../../etc")};
    struct sandbox_spec spec = {.argv = argv, .argc = 1, .binds = &bind, .bind_count = 1};
    assert_int_equal(sandbox_spawn(fixture->host, &spec, &fixture->sandbox), RESULT_FULL);
    assert_null(fixture->sandbox);
}

static void stays_inside(void **state)
{
    struct fixture *fixture = *state;
    setenv("SANDBOX_SECRET", "1", 1);
    run_python(*state, (struct sandbox_spec){0},
               "import ctypes,os,socket\n"
               "c=ctypes.CDLL(None,use_errno=True)\n"
               "def no(name,*a):\n"
               "  r=c.syscall(*a)\n"
               "  if r!=-1: print('allowed',name)\n"
               "no('mount',165,b'x',b'/tmp',b'tmpfs',0,0)\n"
               "no('ptrace',101,16,1,0,0)\n"
               "no('unshare',272,0x10000000)\n"
               "no('clone',56,0x10000000|17,0,0,0,0)\n"
               "no('keyctl',250,0,0,0,0)\n"
               "no('bpf',321,0,0,0)\n"
               "no('kexec',246,0,0,0,0)\n"
               "no('module',175,0,0,0)\n"
               "no('setns',308,0,0)\n"
               "no('io_uring',425,1,0)\n"
               "for f in (17,40,38):\n"
               "  try: socket.socket(f,socket.SOCK_DGRAM); print('family',f)\n"
               "  except OSError: pass\n"
               "print(sorted(p for p in os.listdir('/proc') if p.isdigit()))\n"
               "for p in ('/root','/home','/work','/etc/shadow','/sys','/dev/kmsg','/dev/shm'):\n"
               "  if os.path.exists(p): print('sees',p)\n"
               "for p in ('/x','/usr/x','/etc/x','/var/task/x','/dev/x'):\n"
               "  try: open(p,'w'); print('wrote',p)\n"
               "  except OSError: pass\n"
               "for p in ('/proc/1/mem','/proc/1/environ','/proc/1/maps'):\n"
               "  try: open(p,'rb').read(1); print('read',p)\n"
               "  except OSError: pass\n"
               "try: os.listdir('/proc/1/root'); print('root')\n"
               "except OSError: pass\n"
               "os.kill(1,9)\n"
               "print(dict(os.environ).get('SANDBOX_SECRET'), os.listdir('/proc/self/fd')[:3])\n"
               "print([l for l in open('/proc/self/status') if l[:6] in ('CapEff','CapBnd')])");
    assert_string_equal(fixture->output,
                        "['1', '2']\nNone ['0', '1', '2']\n"
                        "['CapEff:\\t0000000000000000\\n', 'CapBnd:\\t0000000000000000\\n']\n");
}

static int listen_here(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void cannot_reach_host_ports(void **state)
{
    struct fixture *fixture = *state;
    uint16_t port;
    int fd = listen_here(&port);
    char text[200];
    snprintf(text, sizeof text,
             "import socket\ntry:\n socket.create_connection(('127.0.0.1',%u),1); print('in')\n"
             "except OSError: print('out')",
             port);
    run_python(fixture, (struct sandbox_spec){0}, text);
    assert_string_equal(fixture->output, "out\n");
    sandbox_free(fixture->sandbox);
    fixture->length = 0;
    run_python(fixture, (struct sandbox_spec){.network = SANDBOX_NETWORK_HOST}, text);
    assert_string_equal(fixture->output, "in\n");
    close(fd);
}

static void server_listens_inside(void **state)
{
    struct fixture *fixture = *state;
    struct str argv[] = {STR("/usr/bin/python3"), STR("-I"), STR("-c"),
                         STR("import socket\ns=socket.create_connection(('127.0.0.1',9001))\n"
                             "print(s.recv(9).decode())")};
    struct sandbox_spec spec = {.argv = argv, .argc = 4, .ports = {9001}, .port_count = 1};
    assert_int_equal(sandbox_spawn(fixture->host, &spec, &fixture->sandbox), RESULT_OK);
    while (sandbox_update(fixture->sandbox) == SANDBOX_STARTING)
        usleep(1000);
    int listener = sandbox_take_listener(fixture->sandbox, 0);
    assert_true(listener >= 0);
    assert_int_equal(sandbox_take_listener(fixture->sandbox, 0), -1);
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 60000), 1);
    int connection = accept(listener, NULL, NULL);
    assert_int_equal(write(connection, "hello", 5), 5);
    close(connection);
    close(listener);
    assert_int_equal(finish(fixture), SANDBOX_ENDED);
    assert_string_equal(fixture->output, "hello\n");
}

static void fork_bomb(void **state)
{
    struct fixture *fixture = *state;
    const struct sandbox_end *end =
        run_python(fixture, (struct sandbox_spec){.processes = 50},
                   "import os,time\nn=0\n"
                   "try:\n while True:\n  if os.fork()==0: time.sleep(60)\n  n+=1\n"
                   "except OSError as e: print(n,e.errno)");
    assert_string_equal(fixture->output, "49 11\n");
    assert_int_equal(end->cause, SANDBOX_EXITED);
    assert_true(end->wall_us < 50000000);
}

/* The program ends at once, its child takes its time. */
static void others_end_in_peace(void **state)
{
    struct fixture *fixture = *state;
    struct str argv[] = {STR("/usr/bin/python3"), STR("-I"), STR("-c"),
                         STR("import os,time\n"
                             "if os.fork()==0:\n"
                             " os.write(1,b'ready')\n"
                             " while os.getppid()!=1: time.sleep(0.01)\n"
                             " time.sleep(0.3)\n"
                             " os.write(1,b'done')\n"
                             " os._exit(0)\n"
                             "time.sleep(60)")};
    struct sandbox_spec spec = {.argv = argv, .argc = 4};
    char word[6] = "";
    assert_int_equal(sandbox_spawn(fixture->host, &spec, &fixture->sandbox), RESULT_OK);
    for (int i = 0; i < 6000 && read(sandbox_stdout(fixture->sandbox), word, 5) != 5; i++) {
        (void)sandbox_update(fixture->sandbox);
        usleep(10000);
    }
    assert_string_equal(word, "ready");
    sandbox_terminate(fixture->sandbox);
    assert_int_equal(finish(fixture), SANDBOX_ENDED);
    assert_string_equal(fixture->output, "done");
    assert_int_equal(sandbox_end(fixture->sandbox)->cause, SANDBOX_SIGNALLED);
    assert_int_equal(sandbox_end(fixture->sandbox)->value, 15);
}

static void fills_tmp(void **state)
{
    struct fixture *fixture = *state;
    run_python(fixture, (struct sandbox_spec){.tmp_bytes = 8 << 20, .file_bytes = 64 << 20},
               "f=open('/tmp/x','wb',0)\nn=0\n"
               "try:\n while True: n+=f.write(b'x'*65536)\nexcept OSError as e: print(n,e.errno)");
    assert_string_equal(fixture->output, "8388608 28\n");
}

static void eats_memory(void **state)
{
    struct fixture *fixture = *state;
    const struct sandbox_end *end =
        run_python(fixture, (struct sandbox_spec){.memory_bytes = 64 << 20},
                   "a=[]\nwhile True: a.append(bytearray(1<<20))");
    assert_int_equal(end->cause, SANDBOX_OUT_OF_MEMORY);
    assert_true(end->max_memory_bytes >= 64 << 20);
    assert_true(end->max_memory_bytes < 512 << 20);
}

static void ignores_sigterm(void **state)
{
    struct fixture *fixture = *state;
    struct str argv[] = {STR("/usr/bin/python3"), STR("-I"), STR("-c"),
                         STR("import signal,time\nsignal.signal(15,signal.SIG_IGN)\n"
                             "print('up',flush=True)\ntime.sleep(60)")};
    struct sandbox_spec spec = {.argv = argv, .argc = 4};
    assert_int_equal(sandbox_spawn(fixture->host, &spec, &fixture->sandbox), RESULT_OK);
    struct pollfd ready = {.fd = sandbox_stdout(fixture->sandbox), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 60000), 1);
    sandbox_watch(fixture->sandbox, false);
    sandbox_signal(fixture->sandbox, SIGSTOP, true);
    sandbox_signal(fixture->sandbox, SIGCONT, true);
    sandbox_signal(fixture->sandbox, SIGTERM, false);
    usleep(100000);
    assert_int_equal(sandbox_update(fixture->sandbox), SANDBOX_RUNNING);
    sandbox_kill(fixture->sandbox);
    assert_int_equal(finish(fixture), SANDBOX_ENDED);
    assert_int_equal(sandbox_end(fixture->sandbox)->cause, SANDBOX_KILLED);
    assert_true(sandbox_end(fixture->sandbox)->cpu_us > 0);
}

static void writes_for_ever(void **state)
{
    struct fixture *fixture = *state;
    struct str argv[] = {STR("/usr/bin/yes")};
    struct sandbox_spec spec = {.argv = argv, .argc = 1};
    assert_int_equal(sandbox_spawn(fixture->host, &spec, &fixture->sandbox), RESULT_OK);
    /* Nobody reads: the pipe fills and the writer stands still. */
    struct pollfd ready = {.fd = sandbox_stdout(fixture->sandbox), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 60000), 1);
    usleep(50000);
    assert_int_equal(sandbox_update(fixture->sandbox), SANDBOX_RUNNING);
    sandbox_kill(fixture->sandbox);
    assert_int_equal(finish(fixture), SANDBOX_ENDED);
    assert_true(fixture->length > 0);
    assert_true(sandbox_end(fixture->sandbox)->cpu_us < 2000000);
}

/* A template process: receives descriptors, forks, and its children write to them. */
static void template_forks(void **state)
{
    struct fixture *fixture = *state;
    int pair[2], out[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(pipe(out), 0);
    struct str argv[] = {STR("/usr/bin/python3"), STR("-I"), STR("-c"),
                         STR("import os,socket\ns=socket.socket(fileno=3)\n"
                             "m,f,_,_=socket.recv_fds(s,9,1)\n"
                             "if os.fork()==0: os.write(f[0],b'child'); os._exit(0)\nos.wait()")};
    struct sandbox_spec spec = {
        .argv = argv, .argc = 4, .descriptors = &pair[1], .descriptor_count = 1};
    assert_int_equal(sandbox_spawn(fixture->host, &spec, &fixture->sandbox), RESULT_OK);
    close(pair[1]);
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    char byte = 'x';
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &out[1], sizeof(int));
    assert_int_equal(sendmsg(pair[0], &message, 0), 1);
    assert_int_equal(finish(fixture), SANDBOX_ENDED);
    close(out[1]);
    char text[9] = {0};
    assert_int_equal(read(out[0], text, sizeof text), 5);
    assert_string_equal(text, "child");
    close(out[0]);
    close(pair[0]);
}

/* A server of its own, killed: says the pid of its sandbox first. */
static void dies_with_server(void **state)
{
    (void)state;
    int out[2], pid = 0;
    assert_int_equal(pipe(out), 0);
    pid_t server = fork();
    if (server == 0) {
        struct sandbox_host *host;
        struct sandbox *sandbox;
        struct str argv[] = {STR("/bin/sleep"), STR("600")};
        struct sandbox_spec spec = {.argv = argv, .argc = 2};
        if (sandbox_host_start(&host) != RESULT_OK ||
            sandbox_spawn(host, &spec, &sandbox) != RESULT_OK)
            _exit(1);
        while (sandbox_update(sandbox) == SANDBOX_STARTING)
            usleep(1000);
        pid = sandbox_pid(sandbox);
        if (write(out[1], &pid, sizeof pid) != sizeof pid)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(out[0], &pid, sizeof pid), sizeof pid);
    assert_true(pid > 0);
    assert_int_equal(kill(pid, 0), 0);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    int left = 6000;
    while (kill(pid, 0) == 0 && left-- > 0)
        usleep(10000);
    assert_true(left > 0);
    close(out[0]);
    close(out[1]);
}

static void costs(void **state)
{
    struct fixture *fixture = *state;
    uint64_t best = UINT64_MAX;
    struct str argv[] = {STR("/bin/true")};
    struct sandbox_spec spec = {.argv = argv, .argc = 1};
    for (int i = 0; i < 20; i++) {
        uint64_t start = time_monotonic_ns();
        assert_int_equal(sandbox_spawn(fixture->host, &spec, &fixture->sandbox), RESULT_OK);
        struct pollfd ready = {.fd = sandbox_fd(fixture->sandbox), .events = POLLIN};
        while (sandbox_update(fixture->sandbox) == SANDBOX_STARTING)
            assert_int_equal(poll(&ready, 1, 60000), 1);
        uint64_t took = time_monotonic_ns() - start;
        best = took < best ? took : best;
        assert_int_equal(finish(fixture), SANDBOX_ENDED);
        sandbox_free(fixture->sandbox);
        fixture->sandbox = NULL;
    }
    printf("a sandbox starts in %.2f ms\n", (double)best / 1e6);
}

static void doctor_tells(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct str text;
    bool good = sandbox_doctor(arena, &text);
    printf("%.*s\n", PRSTR(text));
    assert_true(good);
    arena_free(arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(runs_python),
                                       TEST(says_what_failed),
                                       TEST(reads_input),
                                       TEST(refuses_bad_places),
                                       TEST(stays_inside),
                                       TEST(cannot_reach_host_ports),
                                       TEST(server_listens_inside),
                                       TEST(fork_bomb),
                                       TEST(others_end_in_peace),
                                       TEST(fills_tmp),
                                       TEST(eats_memory),
                                       TEST(ignores_sigterm),
                                       TEST(writes_for_ever),
                                       TEST(template_forks),
                                       cmocka_unit_test(dies_with_server),
                                       TEST(costs),
                                       cmocka_unit_test(doctor_tells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
