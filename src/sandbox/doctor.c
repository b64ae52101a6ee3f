/* Whether sandboxes work here: by making one. */
#include "sandbox/sandbox.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/time.h"

/* What usually stands behind a failure at each step. */
static const struct {
    const char *step, *advice;
} advices[] = {
    {"clone", "user namespaces are refused: sysctl kernel.unprivileged_userns_clone=1, "
              "user.max_user_namespaces above 0, kernel.apparmor_restrict_unprivileged_userns=0, "
              "or a container that is allowed them"},
    {"uid_map", "the user namespace has no ids: a container's profile or AppArmor forbids them"},
    {"mount /proc", "a container hides parts of /proc: run with an unmasked /proc"},
    {"mount", "mounts in a user namespace are refused, by AppArmor or a container's profile"},
    {"open_tree", "mounts in a user namespace are refused, or Linux is older than 5.12"},
    {"mount_setattr", "Linux 5.12 or newer is needed"},
};

static struct str doctor_failure(struct arena *arena, struct str failure)
{
    const char *advice = "functions cannot run here";
    for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++) {
        if (str_starts_with(failure, str_from_c(advices[i].step))) {
            advice = advices[i].advice;
            break;
        }
    }
    return str_format(arena, "sandbox: %.*s: %s", PRSTR(failure), advice);
}

static bool doctor_try(struct arena *arena, struct sandbox *sandbox, struct str *text)
{
    uint64_t start = time_monotonic_ns(), now = start;
    enum sandbox_state state;
    while ((state = sandbox_update(sandbox)) < SANDBOX_FAILED && now - start < 5000000000) {
        struct pollfd ready = {.fd = sandbox_fd(sandbox), .events = POLLIN};
        (void)poll(&ready, 1, 100);
        now = time_monotonic_ns();
    }
    const struct sandbox_end *end = sandbox_end(sandbox);
    if (state == SANDBOX_FAILED) {
        *text = doctor_failure(arena, sandbox_failure(sandbox));
    } else if (state != SANDBOX_ENDED || end->cause != SANDBOX_EXITED || end->value != 0) {
        *text = STR("sandbox: /bin/true does not run in one");
    } else {
        *text = str_format(
            arena,
            "sandbox: works, %.1f ms for a process; memory is capped by looking at it, so "
            "a sandbox may pass its cap for some milliseconds; no process by more than 1 GiB and "
            "the cap again%s",
            (double)(time_monotonic_ns() - start) / 1e6,
            geteuid() == 0 ? "" : "; limits on processes count those of this user as well");
        return true;
    }
    return false;
}

bool sandbox_doctor(struct arena *arena, struct str *text)
{
    struct sandbox_host *host;
    struct sandbox *sandbox;
    *text = STR("sandbox: no process can be made");
    if (sandbox_host_start(&host) != RESULT_OK)
        return false;
    struct str argv[] = {STR("/bin/true")};
    struct sandbox_spec spec = {.argv = argv, .argc = 1};
    bool good = false;
    if (sandbox_spawn(host, &spec, &sandbox) == RESULT_OK) {
        good = doctor_try(arena, sandbox, text);
        sandbox_free(sandbox);
    }
    sandbox_host_stop(host);
    return good;
}
