/* tenon.h - everything of libtenon: one trained network made of several. */
#ifndef TENON_TENON_H
#define TENON_TENON_H

#include "tenon/arrays.h"
#include "tenon/assemble.h"
#include "tenon/check.h"
#include "tenon/cluster.h"
#include "tenon/data.h"
#include "tenon/dtype.h"
#include "tenon/error.h"
#include "tenon/eval.h"
#include "tenon/fuse.h"
#include "tenon/model.h"
#include "tenon/prune.h"
#include "tenon/slim.h"
#include "tenon/train.h"
#include "tenon/transport.h"
#include "tenon/version.h"

#endif
