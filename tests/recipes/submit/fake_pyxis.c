/* A stand-in for NVIDIA's pyxis: registers its options of srun with a real Slurm, which then takes and carries them,
 * and shows every task the values it got as PYXIS_FAKE_<OPTION>. Nothing runs in a container.
 * Build: gcc -shared -fPIC -o fake_pyxis.so fake_pyxis.c, with libslurm-dev's headers. */
#include <ctype.h>
#include <slurm/spank.h>
#include <stdio.h>
#include <string.h>

SPANK_PLUGIN(fake_pyxis, 1);

static struct {
    char *name, *argument;
    char value[4096];
    int set;
} options[] = {
    {"container-image", "IMAGE"}, {"container-mounts", "SRC:DST[:FLAGS]"}, {"container-workdir", "PATH"},
    {"container-env", "NAMES"},   {"no-container-mount-home", NULL},
};
#define COUNT ((int)(sizeof options / sizeof options[0]))

static int take(int number, const char *argument, int remote)
{
    (void)remote;
    options[number].set = 1;
    snprintf(options[number].value, sizeof options[number].value, "%s", argument && *argument ? argument : "1");
    return 0;
}

int slurm_spank_init(spank_t spank, int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int number = 0; number < COUNT; number++) {
        struct spank_option option = {options[number].name, options[number].argument, "[fake pyxis]",
                                      options[number].argument != NULL, number, take};
        if (spank_option_register(spank, &option) != ESPANK_SUCCESS)
            return -1;
    }
    return 0;
}

int slurm_spank_task_init(spank_t spank, int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int number = 0; number < COUNT; number++) {
        char name[64] = "PYXIS_FAKE_", *end = name + strlen(name);
        for (const char *letter = options[number].name; *letter; letter++)
            *end++ = *letter == '-' ? '_' : (char)toupper(*letter);
        if (options[number].set)
            spank_setenv(spank, name, options[number].value, 1);
    }
    return 0;
}
