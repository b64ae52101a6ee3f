#include "server/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "cloud/arn.h"

/* One setting's text on its way in, with where it stood. */
struct setting {
    struct str name; /* as in the file: "log-level" */
    struct str value;
    struct str source; /* "--listen", "KUMONIWA_LISTEN", "/path/config:3" */
};

struct loader {
    struct arena *arena;
    struct config *config;
    struct str *message;
};

static RESULT config_refuse(struct loader *loader, const struct setting *setting,
                            const char *allowed)
{
    *loader->message = str_format(loader->arena, "%.*s: \"%.*s\" is not %s", PRSTR(setting->source),
                                  PRSTR(setting->value), allowed);
    return RESULT_ERROR;
}

static RESULT config_listen(struct loader *loader, const struct setting *setting)
{
    struct str text = setting->value;
    size_t colon = str_find_last_char(text, ':');
    uint64_t port;
    if (colon == SIZE_MAX || !str_to_u64(str_slice(text, colon + 1, text.len), &port) ||
        port > 65535)
        return config_refuse(loader, setting, "ADDRESS:PORT, such as 127.0.0.1:4566");
    struct str address = str_slice(text, 0, colon);
    if (str_starts_with(address, STR("[")) && str_ends_with(address, STR("]")))
        address = str_slice(address, 1, address.len - 1);
    if (str_is_empty(address))
        address = STR("0.0.0.0");
    if (str_eq(address, STR("localhost")))
        address = STR("127.0.0.1");
    loader->config->address = address;
    loader->config->port = (uint16_t)port;
    return RESULT_OK;
}

static RESULT config_bool(struct loader *loader, const struct setting *setting, bool *out)
{
    static const char *const yes[] = {"yes", "true", "1", "on"};
    static const char *const no[] = {"no", "false", "0", "off"};
    for (size_t i = 0; i < 4; i++) {
        if (str_eq_nocase(setting->value, str_from_c(yes[i]))) {
            *out = true;
            return RESULT_OK;
        }
        if (str_eq_nocase(setting->value, str_from_c(no[i]))) {
            *out = false;
            return RESULT_OK;
        }
    }
    return config_refuse(loader, setting, "yes or no");
}

static RESULT config_choice(struct loader *loader, const struct setting *setting,
                            const char *const *choices, int *out, const char *allowed)
{
    for (int i = 0; choices[i] != NULL; i++) {
        if (str_eq_nocase(setting->value, str_from_c(choices[i]))) {
            *out = i;
            return RESULT_OK;
        }
    }
    return config_refuse(loader, setting, allowed);
}

static RESULT config_path(struct loader *loader, const struct setting *setting, struct str *out)
{
    if (str_is_empty(setting->value))
        return config_refuse(loader, setting, "a directory");
    if (setting->value.ptr[0] == '/') {
        *out = setting->value;
        return RESULT_OK;
    }
    char here[4096];
    if (getcwd(here, sizeof here) == NULL)
        return FAULT("getcwd: %s", strerror(errno));
    *out = str_format(loader->arena, "%s/%.*s", here, PRSTR(setting->value));
    return RESULT_OK;
}

static RESULT config_threads(struct loader *loader, const struct setting *setting)
{
    uint64_t threads;
    if (!str_to_u64(setting->value, &threads) || threads > 256)
        return config_refuse(loader, setting, "a number from 0 to 256");
    loader->config->threads = (unsigned)threads;
    return RESULT_OK;
}

static RESULT config_functions_idle(struct loader *loader, const struct setting *setting)
{
    uint64_t seconds;
    if (!str_to_u64(setting->value, &seconds) || seconds == 0 || seconds > 86400)
        return config_refuse(loader, setting, "a number of seconds from 1 to 86400");
    loader->config->functions_idle_s = (unsigned)seconds;
    return RESULT_OK;
}

static RESULT config_enum(struct loader *loader, const struct setting *setting)
{
    static const char *const durabilities[] = {"process", "power", NULL};
    static const char *const auths[] = {"open", "strict", NULL};
    static const char *const iams[] = {"enforce", "audit", "off", NULL};
    static const char *const networks[] = {"none", "host", NULL};
    static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
    struct config *config = loader->config;
    int chosen;
    if (str_eq(setting->name, STR("durability"))) {
        TRY(config_choice(loader, setting, durabilities, &chosen, "process or power"));
        config->durability = chosen == 0 ? KV_PROCESS : KV_POWER;
    } else if (str_eq(setting->name, STR("auth"))) {
        TRY(config_choice(loader, setting, auths, &chosen, "open or strict"));
        config->strict_auth = chosen == 1;
    } else if (str_eq(setting->name, STR("iam"))) {
        TRY(config_choice(loader, setting, iams, &chosen, "enforce, audit or off"));
        config->iam = (enum iam_mode)chosen;
    } else if (str_eq(setting->name, STR("functions-network"))) {
        TRY(config_choice(loader, setting, networks, &chosen, "none or host"));
        config->functions_outside = chosen == 1;
    } else {
        TRY(config_choice(loader, setting, levels, &chosen, "error, warn, info or debug"));
        config->log_level = (enum log_level)chosen;
    }
    return RESULT_OK;
}

static RESULT config_unknown(struct loader *loader, struct str source)
{
    *loader->message = str_format(loader->arena,
                                  "%.*s: there is no such setting; `kumoniwa serve --help` lists "
                                  "them",
                                  PRSTR(source));
    return RESULT_ERROR;
}

enum setting_kind {
    SETTING_LISTEN,
    SETTING_PATH,
    SETTING_SWITCH,
    SETTING_THREADS,
    SETTING_IDLE,
    SETTING_ENUM,
    SETTING_REGION,
    SETTING_ENDPOINT,
    SETTING_FILE, /* says where others stand: a flag alone */
};

struct setting_known {
    const char *name;
    enum setting_kind kind;
    size_t place; /* in struct config, of a path or a switch */
};

static const struct setting_known settings_known[] = {
    {"listen", SETTING_LISTEN, 0},
    {"data", SETTING_PATH, offsetof(struct config, data)},
    {"init", SETTING_PATH, offsetof(struct config, init_directory)},
    {"ephemeral", SETTING_SWITCH, offsetof(struct config, ephemeral)},
    {"tls", SETTING_SWITCH, offsetof(struct config, tls)},
    {"quiet", SETTING_SWITCH, offsetof(struct config, quiet)},
    {"threads", SETTING_THREADS, 0},
    {"functions-idle", SETTING_IDLE, 0},
    {"durability", SETTING_ENUM, 0},
    {"auth", SETTING_ENUM, 0},
    {"iam", SETTING_ENUM, 0},
    {"log-level", SETTING_ENUM, 0},
    {"functions-network", SETTING_ENUM, 0},
    {"region", SETTING_REGION, 0},
    {"endpoint", SETTING_ENDPOINT, 0},
    {"config", SETTING_FILE, 0},
};

static const struct setting_known *config_find(struct str name)
{
    for (size_t i = 0; i < sizeof settings_known / sizeof settings_known[0]; i++)
        if (str_eq(name, str_from_c(settings_known[i].name)))
            return &settings_known[i];
    return NULL;
}

static RESULT config_set(struct loader *loader, const struct setting *setting)
{
    struct config *config = loader->config;
    const struct setting_known *known = config_find(setting->name);
    void *place = known == NULL ? NULL : (char *)config + known->place;
    switch (known == NULL ? SETTING_FILE : known->kind) {
    case SETTING_LISTEN:
        return config_listen(loader, setting);
    case SETTING_PATH:
        return config_path(loader, setting, place);
    case SETTING_SWITCH:
        return config_bool(loader, setting, place);
    case SETTING_THREADS:
        return config_threads(loader, setting);
    case SETTING_IDLE:
        return config_functions_idle(loader, setting);
    case SETTING_ENUM:
        return config_enum(loader, setting);
    case SETTING_REGION:
        if (!arn_is_region(setting->value))
            return config_refuse(loader, setting, "a region, such as us-east-1");
        config->region = setting->value;
        return RESULT_OK;
    case SETTING_ENDPOINT:
        if (!str_starts_with(setting->value, STR("http://")) &&
            !str_starts_with(setting->value, STR("https://")))
            return config_refuse(loader, setting, "an URL, such as http://localhost:4566");
        config->endpoint = setting->value;
        return RESULT_OK;
    case SETTING_FILE:
        break;
    }
    return config_unknown(loader, setting->source);
}

/* --- the file
 * -----------------------------------------------------------------------------------------------
 */

static RESULT config_read(struct loader *loader, struct str path, bool must_exist, struct str *text)
{
    const char *name = str_to_c(loader->arena, path);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        *text = STR("");
        if (errno == ENOENT && !must_exist)
            return RESULT_OK;
        *loader->message = str_format(loader->arena, "%s: %s", name, strerror(errno));
        return RESULT_ERROR;
    }
    enum { FILE_MAX = 64 * 1024 };
    char *bytes = arena_alloc(loader->arena, FILE_MAX);
    ssize_t n = read(fd, bytes, FILE_MAX);
    close(fd);
    if (n < 0) {
        *loader->message = str_format(loader->arena, "%s: %s", name, strerror(errno));
        return RESULT_ERROR;
    }
    *text = str_make(bytes, (size_t)n);
    return RESULT_OK;
}

static RESULT config_file(struct loader *loader, struct str path, bool must_exist)
{
    struct str rest;
    TRY(config_read(loader, path, must_exist, &rest));
    for (int number = 1; !str_is_absent(rest); number++) {
        struct str line, name, value;
        str_cut(rest, '\n', &line, &rest);
        str_cut(line, '#', &line, &value);
        line = str_trim(line);
        if (str_is_empty(line))
            continue;
        struct setting setting = {
            .source = str_format(loader->arena, "%.*s:%d", PRSTR(path), number),
        };
        if (!str_cut(line, '=', &name, &value)) {
            *loader->message =
                str_format(loader->arena, "%.*s: expected \"key = value\"", PRSTR(setting.source));
            return RESULT_ERROR;
        }
        setting.name = str_trim(name);
        setting.value = str_trim(value);
        TRY(config_set(loader, &setting));
    }
    return RESULT_OK;
}

/* --- the environment and flags --- */

static RESULT config_environment(struct loader *loader)
{
    static const struct {
        const char *variable, *name;
    } variables[] = {
        {"KUMONIWA_LISTEN", "listen"},
        {"KUMONIWA_DATA", "data"},
        {"KUMONIWA_EPHEMERAL", "ephemeral"},
        {"KUMONIWA_DURABILITY", "durability"},
        {"AWS_DEFAULT_REGION", "region"},
        {"KUMONIWA_REGION", "region"},
        {"KUMONIWA_AUTH", "auth"},
        {"KUMONIWA_THREADS", "threads"},
        {"KUMONIWA_TLS", "tls"},
        {"KUMONIWA_ENDPOINT", "endpoint"},
        {"KUMONIWA_LOG", "log-level"},
        {"KUMONIWA_LOG_LEVEL", "log-level"},
        {"KUMONIWA_QUIET", "quiet"},
        {"KUMONIWA_INIT", "init"},
        {"KUMONIWA_IAM", "iam"},
        {"KUMONIWA_FUNCTIONS_NETWORK", "functions-network"},
        {"KUMONIWA_FUNCTIONS_IDLE", "functions-idle"},
    };
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        const char *value = getenv(variables[i].variable);
        if (value == NULL || value[0] == '\0')
            continue;
        struct setting setting = {
            .name = str_from_c(variables[i].name),
            .value = str_from_c(value),
            .source = str_from_c(variables[i].variable),
        };
        TRY(config_set(loader, &setting));
    }
    return RESULT_OK;
}

/* --name value, --name=value, and --name alone for switches. */
static RESULT config_flag(struct loader *loader, int argc, char *const *argv, int *i)
{
    struct str argument = str_from_c(argv[*i]);
    struct setting setting = {0};
    if (!str_starts_with(argument, STR("--")) || argument.len == 2) {
        *loader->message = str_format(loader->arena,
                                      "\"%.*s\" is not a flag; `kumoniwa serve --help` "
                                      "lists them",
                                      PRSTR(argument));
        return RESULT_ERROR;
    }
    bool has_value =
        str_cut(str_slice(argument, 2, argument.len), '=', &setting.name, &setting.value);
    setting.source = str_format(loader->arena, "--%.*s", PRSTR(setting.name));
    const struct setting_known *known = config_find(setting.name);
    if (known == NULL)
        return config_unknown(loader, setting.source);
    if (!has_value && known->kind == SETTING_SWITCH)
        setting.value = STR("yes");
    else if (!has_value && *i + 1 < argc)
        setting.value = str_from_c(argv[++*i]);
    else if (!has_value) {
        *loader->message = str_format(loader->arena, "%.*s wants a value", PRSTR(setting.source));
        return RESULT_ERROR;
    }
    if (known->kind == SETTING_FILE)
        return RESULT_OK; /* has been read, before the environment */
    return config_set(loader, &setting);
}

/* The file that the flags name; absent when they name none. */
static struct str config_file_flag(int argc, char *const *argv)
{
    struct str name, value;
    for (int i = 0; i < argc; i++) {
        if (str_eq(str_from_c(argv[i]), STR("--config")) && i + 1 < argc)
            return str_from_c(argv[i + 1]);
        if (str_cut(str_from_c(argv[i]), '=', &name, &value) && str_eq(name, STR("--config")))
            return value;
    }
    return (struct str){0};
}

static struct str config_home(struct arena *arena, const char *variable, const char *fallback)
{
    const char *home = getenv(variable);
    if (home != NULL && home[0] == '/')
        return str_format(arena, "%s/kumoniwa", home);
    const char *user = getenv("HOME");
    return str_format(arena, "%s/%s/kumoniwa", user == NULL ? "" : user, fallback);
}

RESULT config_load(struct arena *arena, int argc, char *const *argv, struct config *out,
                   struct str *message)
{
    struct config config = {
        .address = STR("127.0.0.1"),
        .port = 4566,
        .data = config_home(arena, "XDG_DATA_HOME", ".local/share"),
        .region = STR("us-east-1"),
        .log_level = LOG_INFO,
        .init_directory = STR("/etc/localstack/init"),
    };
    struct loader loader = {arena, &config, message};
    const char *file = getenv("KUMONIWA_CONFIG");
    struct str flag = config_file_flag(argc, argv);
    if (!str_is_absent(flag)) {
        TRY(config_file(&loader, flag, true));
    } else if (file != NULL && file[0] != '\0') {
        TRY(config_file(&loader, str_from_c(file), true));
    } else {
        struct str home = config_home(arena, "XDG_CONFIG_HOME", ".config");
        TRY(config_file(&loader, str_concat(arena, home, STR("/config")), false));
    }
    TRY(config_environment(&loader));
    for (int i = 0; i < argc; i++)
        TRY(config_flag(&loader, argc, argv, &i));
    *out = config;
    return RESULT_OK;
}
