/* SPDX-License-Identifier: BSD-2-Clause */
/* --help, the man page and bash completion, all from the command tables. */
#include "cli/command.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Every command has it (parse.c). */
static const struct cli_option help_option = {
    .letter = 'h', .name = "help", .help = "print this help"};

static void print_option(const struct cli_option *o)
{
    char left[64];
    snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : " ",
             o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name, o->value ? " " : "",
             o->value ? o->value : "");
    printf("  %-28s %s\n", left, o->help);
}

void cli_help(const struct cli_command *c)
{
    if (!c) {
        printf("Usage: doppel COMMAND [OPTIONS]\n\n"
               "A virtual machine monitor: one machine, every technique.\n\nCommands:\n");
        for (const struct cli_command *const *p = cli_commands; *p; p++)
            printf("  %-12s %s\n", (*p)->name, (*p)->summary);
        printf("\n`doppel COMMAND --help` tells more, `doppel man | man -l -` everything, "
               "`doppel --version` which one this is.\n");
        return;
    }
    printf("Usage: doppel %s [OPTIONS]%s%s\n\n%s.\n", c->name, *c->synopsis ? " " : "", c->synopsis,
           c->summary);
    printf("\nOptions:\n");
    for (const struct cli_option *o = c->options; o && o->id; o++)
        print_option(o);
    print_option(&help_option);
    if (c->examples && c->examples->command)
        printf("\nExamples:\n");
    for (const struct cli_example *x = c->examples; x && x->command; x++)
        printf("  %s\n      %s\n", x->command, x->text);
}

/* Text in a roff argument or line. What can be typed into a shell must come out as the same ASCII
 * characters, which roff otherwise takes for typography. */
static void roff(const char *s)
{
    static const char *const escapes[256] = {
        ['\\'] = "\\e",  ['-'] = "\\-",   ['\''] = "\\(aq", ['`'] = "\\(ga",
        ['^'] = "\\(ha", ['~'] = "\\(ti", ['"'] = "\\(dq",
    };
    for (; *s; s++) {
        const char *escape = escapes[(unsigned char)*s];
        if (*s == '\n' && s[1] == '\n') {
            fputs("\n.PP\n", stdout);
            s++;
        } else if (escape) {
            fputs(escape, stdout);
        } else {
            putchar(*s);
        }
    }
}

static void man_option(const struct cli_option *o)
{
    printf(".TP\n");
    if (o->letter)
        printf("\\fB\\-%c\\fR, ", o->letter);
    printf("\\fB\\-\\-");
    roff(o->name);
    printf("\\fR");
    if (o->value) {
        printf(" \\fI");
        roff(o->value);
        printf("\\fR");
    }
    printf("\n");
    roff(o->help);
    printf("\n");
}

void cli_write_man(void)
{
    printf(".TH DOPPEL 1 \"\" \"doppel %s\" \"User Commands\"\n", DOPPEL_VERSION);
    printf(".SH NAME\ndoppel \\- virtual machine monitor\n.SH SYNOPSIS\n");
    for (const struct cli_command *const *p = cli_commands; *p; p++) {
        printf(".B doppel %s\n[\\fIOPTIONS\\fR]%s", (*p)->name, *(*p)->synopsis ? " " : "");
        roff((*p)->synopsis);
        printf("\n.br\n");
    }
    printf(".SH DESCRIPTION\n");
    roff(
        "doppel runs virtual machines. A technique (an engine) is a way to run a virtual CPU until "
        "it needs the monitor; the machine, its devices and this command are the same for all of "
        "them. It works as an ordinary user, without a daemon or a configuration file.");
    printf("\n");
    for (const struct cli_command *const *p = cli_commands; *p; p++) {
        printf(".SH \"DOPPEL ");
        for (const char *s = (*p)->name; *s; s++)
            putchar(toupper((unsigned char)*s));
        printf("\"\n");
        roff((*p)->text ? (*p)->text : (*p)->summary);
        printf("\n");
        for (const struct cli_option *o = (*p)->options; o && o->id; o++)
            man_option(o);
        man_option(&help_option);
        for (const struct cli_example *x = (*p)->examples; x && x->command; x++) {
            printf(".PP\nExample: ");
            roff(x->text);
            printf("\n.PP\n.nf\n.RS\n");
            roff(x->command);
            printf("\n.RE\n.fi\n");
        }
    }
    printf(".SH EXIT STATUS\n");
    roff("0: the guest switched itself off. 1: doppel failed or the guest crashed. 2: wrong usage. "
         "125: COMMAND could not be run in the guest. Otherwise: COMMAND's own status, or the "
         "status that the guest wrote to the exit port (0xf4).");
    printf("\n.SH ENVIRONMENT\n.TP\n.B DOPPEL_CACHE\n");
    roff("Where kernels and initial RAM disks are looked for when --kernel is not given; "
         "otherwise cache/ beside the build, then ~/.cache/doppel.");
    printf("\n");
}

static void bash_words(const struct cli_command *c)
{
    for (const struct cli_option *o = c->options; o && o->id; o++)
        printf(" --%s", o->name);
    printf(" --help%s%s", c->operands ? " " : "", c->operands ? c->operands : "");
}

void cli_write_bash_completion(void)
{
    printf("# bash completion for doppel\n_doppel()\n{\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    COMPREPLY=()\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        COMPREPLY=($(compgen -W \"");
    for (const struct cli_command *const *p = cli_commands; *p; p++)
        printf("%s%s", p == cli_commands ? "" : " ", (*p)->name);
    printf("\" -- \"$cur\"))\n        return\n    fi\n    case \"${COMP_WORDS[1]}:$prev\" in\n");
    for (const struct cli_command *const *p = cli_commands; *p; p++) {
        for (const struct cli_option *o = (*p)->options; o && o->id; o++) {
            if (!o->choices)
                continue;
            printf("    %s:--%s", (*p)->name, o->name);
            if (o->letter)
                printf(" | %s:-%c", (*p)->name, o->letter);
            printf(") ");
            if (!strcmp(o->choices, "@file"))
                printf("COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n");
            else
                printf("COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")) ;;\n", o->choices);
        }
    }
    for (const struct cli_command *const *p = cli_commands; *p; p++) {
        printf("    %s:*) COMPREPLY=($(compgen -W \"", (*p)->name);
        bash_words(*p);
        printf("\" -- \"$cur\")) ;;\n");
    }
    printf("    esac\n}\ncomplete -o default -F _doppel doppel\n");
}
