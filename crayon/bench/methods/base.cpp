// base: the model as it is.
#include "crayon/bench/method.h"

namespace crayon {

CRAYON_BENCH_METHOD(base) = {
    .name = "base",
    .order = 0,
    .summary = "the model without any adapter",
    .sees = Method::Sees::Nothing,
    .version = 1,
    .prepare = [](const MethodInput&) { return Prepared{}; },
    .of_pool = false,
};

}  // namespace crayon
