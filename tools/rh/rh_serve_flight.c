/* SPDX-License-Identifier: Apache-2.0 */
/* The network door of rh serve, in a library that is loaded here and nowhere else. */
#include "rh_serve_flight.h"

#include "rh_interrupt.h"
#include "rhei/rhei_doors.h"
#include "rhei/rhei_flight.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* What is used of librhei_flight. */
struct flight_library {
    rhei_status (*start)(rhei_db *, const struct rhei_flight_options *, rhei_flight **, struct rhei_error *);
    int (*port)(const rhei_flight *);
    uint32_t (*calls)(const rhei_flight *);
    void (*stop)(rhei_flight **, int64_t);
    rhei_status (*user_line)(const char *, const char *, char **, struct rhei_error *);
    rhei_status (*check)(const struct rhei_flight_options *, const char **, struct rhei_error *);
    rhei_status (*guard_open)(const struct rhei_flight_options *, rhei_flight_guard **, struct rhei_error *);
    rh_guard_enter *guard_enter;
    void (*guard_close)(rhei_flight_guard **);
};

static bool find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

/* RHEI_FLIGHT names it; else it is beside librhei, where Rhei is installed, or where it was built. */
static void *open_library(char *why, size_t size)
{
    const char *named = getenv("RHEI_FLIGHT");
    const char *const places[] = {"librhei_flight.so.0", RH_FLIGHT_INSTALLED_PATH, RH_FLIGHT_PATH};
    if (named != NULL && named[0] != '\0') {
        void *library = dlopen(named, RTLD_NOW | RTLD_LOCAL);
        const char *reason = library == NULL ? dlerror() : NULL;
        (void)snprintf(why, size, "%s", reason == NULL ? "" : reason);
        return library;
    }
    (void)snprintf(why, size, "%s", "it isn't there");
    for (size_t i = 0; i < 3; i++) {
        bool path = places[i][0] == '/';
        if (places[i][0] == '\0' || (path && access(places[i], F_OK) != 0))
            continue;
        void *library = dlopen(places[i], RTLD_NOW | RTLD_LOCAL);
        if (library != NULL)
            return library;
        const char *reason = dlerror();
        if (path && reason != NULL) /* it is there, and something that it needs isn't */
            (void)snprintf(why, size, "%s", reason);
    }
    return NULL;
}

static bool load(const struct rh_tool *tool, struct flight_library *flight)
{
    char why[300];
    void *library = open_library(why, sizeof why);
    if (library != NULL && find(library, "rhei_flight_start", &flight->start) &&
        find(library, "rhei_flight_port", &flight->port) && find(library, "rhei_flight_stop", &flight->stop) &&
        find(library, "rhei_flight_calls", &flight->calls) &&
        find(library, "rhei_flight_user_line", &flight->user_line) &&
        find(library, "rhei_flight_check", &flight->check) &&
        find(library, "rhei_flight_guard_open", &flight->guard_open) &&
        find(library, "rhei_flight_guard_enter", &flight->guard_enter) &&
        find(library, "rhei_flight_guard_close", &flight->guard_close))
        return true;
    (void)rh_tell(
        tool,
        "rh serve needs the library librhei_flight.so.0, which is built where gRPC and libsodium are installed: %s",
        library != NULL ? "what is there is another one" : why);
    return false;
}

/* ---- A user ------------------------------------------------------------------------------------------------------- */

static struct termios shown; /* before a password was asked for */

static void show_again(void)
{
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    (void)!write(STDERR_FILENO, "\n", 1);
}

/* Nobody looks over a shoulder: a terminal doesn't show it, and shows again what is typed whatever ends this. */
static bool read_password(const char *user, char password[], int size)
{
    if (tcgetattr(STDIN_FILENO, &shown) != 0)
        return fgets(password, size, stdin) != NULL;
    struct termios hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    rh_interrupt_restores(show_again);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    fprintf(stderr, "password of %s (not shown): ", user);
    bool read = fgets(password, size, stdin) != NULL;
    show_again();
    rh_interrupt_restores(NULL);
    return read;
}

static int make_user(const struct rh_tool *tool, const struct flight_library *flight)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    char password[1026] = "", *line = NULL;
    if (!read_password(tool->args->serve.make_user, password, sizeof password))
        return rh_tell(tool, "there is no password on standard input");
    password[strcspn(password, "\r\n")] = '\0';
    rhei_status status = flight->user_line(tool->args->serve.make_user, password, &line, &error);
    explicit_bzero(password, sizeof password);
    if (status != RHEI_OK) {
        rh_tell_error(tool, &error);
        return RH_EXIT_ERROR;
    }
    puts(line);
    rhei_free(line);
    return RH_EXIT_OK;
}

/* ---- Serving ------------------------------------------------------------------------------------------------------ */

/* Settings that the command line doesn't name are those of the file. */
struct serve_texts {
    char *listen, *token, *token_file, *users_file, *tls_cert, *tls_key;
};

static void texts_free(struct serve_texts *texts)
{
    if (texts->token != NULL)
        explicit_bzero(texts->token, strlen(texts->token));
    char *all[] = {texts->listen, texts->token, texts->token_file, texts->users_file, texts->tls_cert, texts->tls_key};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        rhei_free(all[i]);
}

static bool read_texts(const struct rh_tool *tool, const struct rh_service_settings *settings,
                       struct serve_texts *texts)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct {
        const char *name;
        char **value;
    } all[] = {{"flight_listen", &texts->listen},
               {"flight_auth_token", &texts->token},
               {"flight_auth_token_file", &texts->token_file},
               {"flight_users_file", &texts->users_file},
               {"flight_tls_cert", &texts->tls_cert},
               {"flight_tls_key", &texts->tls_key}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (rhei_door_setting_read(tool->args->config, settings->overrides, settings->override_count, all[i].name,
                                   all[i].value, &error) != RHEI_OK) {
            rh_tell_error(tool, &error);
            return false;
        }
    }
    return true;
}

static const char *first_of(const char *a, const char *b)
{
    return a != NULL ? a : b;
}

/* Credentials of the line, any of them, are in place of all of the file's. */
static struct rhei_flight_options options_of(const struct rh_tool *tool, const struct serve_texts *texts)
{
    const struct rh_serve_args *given = &tool->args->serve;
    bool own = given->token_file != NULL || given->users_file != NULL || given->no_auth;
    bool own_tls = given->tls_cert != NULL || given->tls_key != NULL;
    return (struct rhei_flight_options){
        .struct_size = sizeof(struct rhei_flight_options),
        .listen = first_of(given->flight, texts->listen),
        .token = own ? NULL : texts->token,
        .token_file = own ? given->token_file : texts->token_file,
        .users_file = own ? given->users_file : texts->users_file,
        .no_auth = given->no_auth,
        .tls_cert = own_tls ? given->tls_cert : texts->tls_cert,
        .tls_key = own_tls ? given->tls_key : texts->tls_key,
        .tls_client_ca = given->tls_client_ca,
        .max_rows = (uint64_t)given->max_rows,
        .timeout_ms = tool->args->timeout_ms,
        .transaction_idle_ms = given->idle_ms,
    };
}

struct rh_flight {
    struct flight_library library;
    rhei_flight *server;
    struct serve_texts texts;
    struct rh_buffer address; /* HOST:PORT */
};

static void flight_free(struct rh_flight *flight)
{
    texts_free(&flight->texts);
    rh_buffer_free(&flight->address);
    free(flight);
}

/* An option of a door that isn't to be: whoever gave it thinks that there is one. */
static bool is_meant(const struct rh_tool *tool)
{
    const struct rh_serve_args *given = &tool->args->serve;
    const char *option = given->no_auth                 ? "--no-auth"
                         : given->token_file != NULL    ? "--token-file"
                         : given->users_file != NULL    ? "--users-file"
                         : given->tls_cert != NULL      ? "--tls-cert"
                         : given->tls_key != NULL       ? "--tls-key"
                         : given->tls_client_ca != NULL ? "--tls-client-ca"
                                                        : NULL;
    if (option != NULL)
        (void)rh_tell(tool,
                      "%s is for Flight SQL, which needs an address: --flight 127.0.0.1:31337, or flight_listen in the "
                      "file of --config",
                      option);
    return option != NULL;
}

/* What is wrong, behind the option or the place of the setting that says it. */
static void tell_wrong(const struct rh_tool *tool, const struct rh_service_settings *settings, const char *field,
                       const struct rhei_error *error)
{
    const struct rh_serve_args *given = &tool->args->serve;
    bool own = given->token_file != NULL || given->users_file != NULL || given->no_auth;
    bool own_tls = given->tls_cert != NULL || given->tls_key != NULL;
    const struct {
        const char *field, *option, *setting;
        bool is_option;
    } all[] = {{"listen", "--flight", "flight_listen", given->flight != NULL},
               {"token", "", "flight_auth_token", false},
               {"token_file", "--token-file", "flight_auth_token_file", own},
               {"users_file", "--users-file", "flight_users_file", own},
               {"tls_cert", "--tls-cert", "flight_tls_cert", own_tls},
               {"tls_key", "--tls-key", "flight_tls_key", own_tls},
               {"tls_client_ca", "--tls-client-ca", "", true}};
    struct rh_buffer where = {0};
    rh_buffer_add_text(&where, "");
    for (size_t i = 0; field != NULL && i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(field, all[i].field) != 0)
            continue;
        if (all[i].is_option)
            rh_buffer_format(&where, "%s: ", all[i].option);
        else
            rh_buffer_format(&where, "%s: %s: ", rh_service_origin(settings, all[i].setting), all[i].setting);
    }
    (void)rh_tell(tool, "%s%s [%s %s]", where.bytes, error->message, rhei_status_name(error->code), error->sqlstate);
    rh_buffer_free(&where);
}

bool rh_flight_check(const struct rh_tool *tool, const struct rh_service_settings *settings)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct flight_library library;
    struct serve_texts texts = {0};
    const char *field = NULL;
    bool http = rh_service_setting(settings, "http_listen")[0] != '\0';
    bool good = read_texts(tool, settings, &texts);
    const struct rhei_flight_options options = options_of(tool, &texts);
    if (good && options.listen == NULL && !http) {
        good = !is_meant(tool);
    } else if (good) {
        good = load(tool, &library) && library.check(&options, &field, &error) == RHEI_OK;
        if (error.code != RHEI_OK)
            tell_wrong(tool, settings, field, &error);
    }
    texts_free(&texts);
    return good;
}

bool rh_flight_start(const struct rh_tool *tool, const struct rh_service_settings *settings, rhei_log_function log,
                     void *log_context, struct rh_flight **started)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rh_flight *flight = rh_allocate(sizeof *flight);
    *flight = (struct rh_flight){0};
    *started = NULL;
    bool good = read_texts(tool, settings, &flight->texts);
    struct rhei_flight_options options = options_of(tool, &flight->texts);
    options.max_connections = (uint32_t)rh_service_number(settings, "flight_max_connections");
    options.log = log;
    options.log_context = log_context;
    if (!good || options.listen == NULL || !load(tool, &flight->library)) {
        bool none = good && options.listen == NULL;
        flight_free(flight);
        return none;
    }
    if (flight->library.start(tool->db, &options, &flight->server, &error) != RHEI_OK) {
        tell_wrong(tool, settings, "listen", &error); /* the rest was looked at before */
        flight_free(flight);
        return false;
    }
    const char *port = strrchr(options.listen, ':');
    rh_buffer_format(&flight->address, "%.*s:%d", (int)(port - options.listen), options.listen,
                     flight->library.port(flight->server));
    printf("Flight SQL on grpc%s://%s\n", options.tls_cert != NULL ? "+tls" : "", flight->address.bytes);
    *started = flight;
    return true;
}

const char *rh_flight_address(const struct rh_flight *flight)
{
    return flight == NULL ? NULL : flight->address.bytes;
}

unsigned rh_flight_calls(const struct rh_flight *flight)
{
    return flight == NULL ? 0 : flight->library.calls(flight->server);
}

void rh_flight_stop(struct rh_flight **stopping, int64_t drain_ms)
{
    struct rh_flight *flight = *stopping;
    *stopping = NULL;
    if (flight == NULL)
        return;
    flight->library.stop(&flight->server, drain_ms);
    flight_free(flight);
}

struct rh_guard {
    struct flight_library library;
    rhei_flight_guard *guard;
};

bool rh_guard_open(const struct rh_tool *tool, const struct rh_service_settings *settings, struct rh_guard **opened)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct serve_texts texts = {0};
    struct rh_guard *made = rh_allocate(sizeof *made);
    *made = (struct rh_guard){0};
    bool good = load(tool, &made->library) && read_texts(tool, settings, &texts);
    const struct rhei_flight_options options = options_of(tool, &texts);
    if (good && made->library.guard_open(&options, &made->guard, &error) != RHEI_OK) {
        rh_tell_error(tool, &error);
        good = false;
    }
    texts_free(&texts);
    *opened = made;
    if (!good)
        rh_guard_close(opened);
    return good;
}

rhei_flight_guard *rh_guard_of(const struct rh_guard *guard, rh_guard_enter **enter)
{
    *enter = guard->library.guard_enter;
    return guard->guard;
}

void rh_guard_close(struct rh_guard **guard)
{
    if (*guard != NULL && (*guard)->guard != NULL)
        (*guard)->library.guard_close(&(*guard)->guard);
    free(*guard);
    *guard = NULL;
}

int rh_flight_make_user(const struct rh_tool *tool)
{
    struct flight_library library;
    return load(tool, &library) ? make_user(tool, &library) : RH_EXIT_ERROR;
}
