/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_STATE_H
#define EGRESS_RUN_STATE_H

/* The folder where runs are kept so that later ones can be compared with them, made if it isn't
 * there (egress-run(1), FILES); to be freed. NULL: there is none to be had. */
char *run_state_folder(void);

/* Room for a run's name. */
#define RUN_STATE_NAME 64

/* What records name this run; into `out`, which it returns. */
const char *run_state_name(char out[RUN_STATE_NAME]);

#endif
