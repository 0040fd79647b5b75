/* A double of PLUMED's kernel for the adapter's test: it logs every command and pulls each atom back to the origin
   with the energy k r^2 / 2, k = 2 kcal/mol/A^2; like PLUMED it works in the MD code's own units and appends hills. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *out;
static int natoms, restart;
static long step;
static double *positions, *forces, bias;
static char dat[4096];

void *plumedmain_create(void) {
  out = fopen(getenv("PLUMED_DOUBLE_LOG"), "a");
  return malloc(1);
}

static void deposit(void) {
  char line[8192], folder[4096];
  FILE *input = fopen(dat, "r");
  strcpy(folder, dat);
  *strrchr(folder, '/') = 0;
  while (fgets(line, sizeof line, input)) {
    int number, members = 1;
    if (sscanf(line, "  PF%d=", &number) != 1) continue;
    for (char *c = line; *c; c++) members += *c == ',';
    char name[4200];
    sprintf(name, "%s/HILLS.PF%d", folder, number);
    FILE *hills = fopen(name, "a");
    for (int i = 0; i < members; i++) fprintf(hills, "%.16e 1.5 0.1 0.5 10.0\n", step * 0.5);
    fclose(hills);
  }
  fclose(input);
}

void plumedmain_cmd(void *self, const char *key, const void *value) {
  if (!strcmp(key, "getApiVersion")) *(int *)value = 8;
  else if (!strcmp(key, "setNatoms")) natoms = *(int *)value;
  else if (!strcmp(key, "setRestart")) restart = *(int *)value;
  else if (!strcmp(key, "setStep")) step = *(int *)value;
  else if (!strcmp(key, "setPositions")) positions = (double *)value;
  else if (!strcmp(key, "setForces")) forces = (double *)value;
  else if (!strcmp(key, "setPlumedDat")) strcpy(dat, (char *)value);
  else if (!strcmp(key, "getBias")) *(double *)value = bias;
  if (!strncmp(key, "setMD", 5) && strstr(key, "Units")) fprintf(out, "%s %g\n", key, *(double *)value);
  else if (!strcmp(key, "setTimestep")) fprintf(out, "%s %g\n", key, *(double *)value);
  else if (!strcmp(key, "setStep")) fprintf(out, "%s %ld\n", key, step);
  else if (!strcmp(key, "setRestart")) fprintf(out, "%s %d\n", key, restart);
  else fprintf(out, "%s\n", key);
  int update = !strcmp(key, "performCalc");
  if (update || !strcmp(key, "performCalcNoUpdate")) {
    bias = 0;
    for (int i = 0; i < 3 * natoms; i++) {
      bias += positions[i] * positions[i];
      forces[i] -= 2 * positions[i];
    }
    if (update && step % 200 == 0 && step > 0) deposit();
  }
}

void plumedmain_finalize(void *self) {
  fprintf(out, "finalize\n");
  fclose(out);
  free(self);
}
