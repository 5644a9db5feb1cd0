#include "crayon/engine/internal/context_params.h"

#include <algorithm>

namespace crayon::internal {

llama_context_params context_params(const EngineOptions& options, const ContextSize& size,
                                    HiddenState& hidden) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<std::uint32_t>(size.cells);
  params.n_batch = static_cast<std::uint32_t>(options.batch_tokens);
  params.n_ubatch = params.n_batch;
  params.n_seq_max = static_cast<std::uint32_t>(size.sequences);
  params.n_outputs_max = static_cast<std::uint32_t>(std::max(size.outputs, size.sequences));
  params.n_threads = options.threads;
  params.n_threads_batch = options.threads;
  params.kv_unified = true;  // choices share their prompt's cells
  params.no_perf = true;
  params.cb_eval = HiddenState::on_tensor;
  params.cb_eval_user_data = &hidden;
  if (options.exact) {
    params.type_k = GGML_TYPE_F32;
    params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  }
  return params;
}

}  // namespace crayon::internal
