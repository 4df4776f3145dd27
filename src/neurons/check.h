/* check.h - proves groups by the function: permutes every group at random and measures how
 * far the outputs move. */
#ifndef TN_NEURONS_CHECK_H
#define TN_NEURONS_CHECK_H

#include "neurons/map.h"
#include "base/threads.h"
#include "tenon/check.h"

#endif
