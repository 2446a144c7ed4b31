/* SPDX-License-Identifier: Apache-2.0 */
/* How the demo looks: headings, wrapped paragraphs, tables. Colours only on a terminal, plain text into a pipe. */
#include "demo.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

enum { WIDEST = 100, CELL = 34, SHARED = 16 };

static bool colours;
static size_t width = WIDEST;

void demo_screen_start(void)
{
    struct winsize size;
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    setlocale(LC_CTYPE, "");
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was found is on the screen although the next step may take a second */
    if (!isatty(STDOUT_FILENO))
        return;
    colours = (no_color == NULL || no_color[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 && size.ws_col < WIDEST)
        width = size.ws_col;
}

static const char *style(const char *escape)
{
    return colours ? escape : "";
}

_Noreturn void demo_fail(const char *what, const struct rhei_error *error)
{
    fflush(stdout);
    fprintf(stderr, "\ndemo: %s%s%s\n", what, error != NULL ? ": " : "", error != NULL ? error->message : "");
    _exit(1); /* other threads may be writing: nothing of theirs is torn down under them */
}

void demo_heading(const char *words)
{
    printf("\n%s%s%s\n", style("\033[1;36m"), words, style("\033[0m"));
    for (size_t at = 0; at < strlen(words); at++)
        putchar('-');
    putchar('\n');
}

static void wrap(const char *text, const char *indent)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (column > 0 && column + 1 + word > width) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column == 0 ? indent : " ", (int)word, text);
        text += word;
        text += strspn(text, " ");
    }
    putchar('\n');
}

void demo_say(const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    wrap(text, "");
}

void demo_good(const char *format, ...)
{
    va_list arguments;
    printf("%s", style("\033[32m"));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("%s\n", style("\033[0m"));
}

static char *shared_buffer(void)
{
    static char buffers[SHARED][128];
    static int next;
    next = (next + 1) % SHARED;
    return buffers[next];
}

const char *demo_time(int64_t us)
{
    char *text = shared_buffer();
    if (us < 1000)
        snprintf(text, 128, "%lld us", (long long)us);
    else if (us < 1000000)
        snprintf(text, 128, "%.1f ms", (double)us / 1e3);
    else
        snprintf(text, 128, "%.2f s", (double)us / 1e6);
    return text;
}

const char *demo_count(uint64_t count)
{
    char digits[24], *text = shared_buffer();
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count), to = 0;
    for (int at = 0; at < length; at++) {
        if (at > 0 && (length - at) % 3 == 0)
            text[to++] = ',';
        text[to++] = digits[at];
    }
    text[to] = '\0';
    return text;
}

const char *demo_ratio(double ratio)
{
    char *text = shared_buffer();
    snprintf(text, 128, ratio < 1 ? "%.2f times" : ratio < 10 ? "%.1f times" : "%.0f times", ratio);
    return text;
}

static const char *styled(const char *escape, const char *words)
{
    char *text = shared_buffer();
    snprintf(text, 128, "%s%s%s", style(escape), words, style("\033[0m"));
    return text;
}

const char *demo_bold(const char *text)
{
    return styled("\033[1m", text);
}

const char *demo_dim(const char *text)
{
    return styled("\033[2m", text);
}

/* One cell as text; REALs with one digit behind the point are enough to look at. */
static void cell_text(const struct rhei_value *value, char text[CELL + 1])
{
    if (value->type == RHEI_INTEGER)
        snprintf(text, CELL + 1, "%lld", (long long)value->as.integer);
    else if (value->type == RHEI_REAL)
        snprintf(text, CELL + 1, "%.1f", value->as.real);
    else if (value->type == RHEI_TEXT)
        snprintf(text, CELL + 1, "%.*s", (int)(value->length < CELL ? value->length : CELL),
                 (const char *)value->as.bytes);
    else
        snprintf(text, CELL + 1, "-");
}

static size_t cell_width(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static void show_cell(const char *text, size_t column, bool right)
{
    int space = (int)(column - cell_width(text));
    printf("  %*s%s%*s", right ? space : 0, "", text, right ? 0 : space, "");
}

void demo_show_rows(const struct demo_answer *answer, uint64_t rows)
{
    uint64_t shown = answer->row_count < rows ? answer->row_count : rows;
    size_t widths[16] = {0};
    bool right[16] = {false};
    char text[CELL + 1];
    uint32_t columns = answer->column_count < 16 ? answer->column_count : 16;
    for (uint32_t column = 0; column < columns; column++) {
        widths[column] = cell_width(answer->names[column]);
        for (uint64_t row = 0; row < shown; row++) {
            const struct rhei_value *value = &answer->values[row * answer->column_count + column];
            cell_text(value, text);
            widths[column] = cell_width(text) > widths[column] ? cell_width(text) : widths[column];
            right[column] = value->type == RHEI_INTEGER || value->type == RHEI_REAL;
        }
    }
    printf("  %s", style("\033[2m"));
    for (uint32_t column = 0; column < columns; column++)
        show_cell(answer->names[column], widths[column], right[column]);
    printf("%s\n", style("\033[0m"));
    for (uint64_t row = 0; row < shown; row++) {
        printf("  ");
        for (uint32_t column = 0; column < columns; column++) {
            cell_text(&answer->values[row * answer->column_count + column], text);
            show_cell(text, widths[column], right[column]);
        }
        putchar('\n');
    }
    if (answer->row_count > shown)
        printf("    %s... %s rows in all%s\n", style("\033[2m"), demo_count(answer->row_count), style("\033[0m"));
}

void demo_show_sql(const char *sql)
{
    while (*sql != '\0') {
        size_t line = strcspn(sql, "\n");
        printf("    %s%.*s%s\n", style("\033[2m"), (int)line, sql, style("\033[0m"));
        sql += line + (sql[line] == '\n');
    }
    putchar('\n');
}

int64_t demo_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int by_value(const void *a, const void *b)
{
    const int64_t *first = a, *second = b;
    return (*first > *second) - (*first < *second);
}

int64_t demo_median(int64_t *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return count == 0 ? 0 : values[count / 2];
}

void *demo_allocate(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);
    if (memory == NULL)
        demo_fail("out of memory", NULL);
    return memory;
}

void *demo_reallocate(void *memory, size_t size)
{
    void *moved = realloc(memory, size);
    if (moved == NULL)
        demo_fail("out of memory", NULL);
    return moved;
}
