// few-shot: the same K examples in the prompt, as many as fit.
#include "crayon/bench/method.h"

namespace crayon {

CRAYON_BENCH_METHOD(few_shot) = {
    .name = "few-shot",
    .order = 10,
    .summary = "the model without any adapter, the examples in the prompt, as many as fit",
    .sees = Method::Sees::Labels,
    .version = 1,
    .prepare = [](const MethodInput& input) { return Prepared{.shots = input.examples}; },
    .of_pool = false,
};

}  // namespace crayon
