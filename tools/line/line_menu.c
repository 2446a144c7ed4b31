/* SPDX-License-Identifier: Apache-2.0 */
#include "line_menu.h"

#include <stdlib.h>
#include <string.h>

void line_menu_add(struct line_menu *menu, const char *word, size_t length)
{
    for (size_t at = 0; at < menu->count; at++)
        if (strlen(menu->words[at]) == length && memcmp(menu->words[at], word, length) == 0)
            return;
    if (menu->count == menu->capacity) {
        menu->capacity = menu->capacity == 0 ? 32 : menu->capacity * 2;
        menu->words = rh_reallocate(menu->words, menu->capacity * sizeof *menu->words);
    }
    menu->words[menu->count++] = rh_copy_text(word, length);
}

size_t line_menu_common(const struct line_menu *menu)
{
    size_t common = menu->count > 0 ? strlen(menu->words[0]) : 0;
    for (size_t at = 1; at < menu->count; at++) {
        size_t same = 0;
        while (same < common && menu->words[at][same] == menu->words[0][same])
            same++;
        common = same;
    }
    while (common > 0 && ((unsigned char)menu->words[0][common] & 0xc0) == 0x80)
        common--;
    return common;
}

void line_menu_clear(struct line_menu *menu)
{
    for (size_t at = 0; at < menu->count; at++)
        free(menu->words[at]);
    menu->count = 0;
    menu->open = false;
}

void line_menu_free(struct line_menu *menu)
{
    line_menu_clear(menu);
    free(menu->words);
    rh_buffer_free(&menu->typed);
    *menu = (struct line_menu){0};
}
