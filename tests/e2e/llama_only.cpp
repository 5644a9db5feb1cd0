// A program that knows llama.cpp and nothing of Crayon: loads a model and a task file as a LoRA,
// evaluates tokens in one batch and writes the logits of every position as raw float32.
//   llama_only MODEL TASK|- THREADS CONTEXT OUT TOKEN...
// The end-to-end test compares them with the engine's: one file, the same numbers.
#include <llama.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc < 7)
    return std::fprintf(stderr, "usage: llama_only MODEL TASK|- THREADS CONTEXT OUT TOKEN...\n"), 2;
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  llama_model* model = llama_model_load_from_file(argv[1], llama_model_default_params());
  if (model == nullptr) return std::fprintf(stderr, "%s: llama.cpp does not load it\n", argv[1]), 1;

  std::vector<llama_token> tokens;
  for (int i = 6; i < argc; ++i) tokens.push_back(std::atoi(argv[i]));

  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<std::uint32_t>(std::atoi(argv[4]));
  params.n_batch = params.n_ubatch = 512;
  params.n_threads = params.n_threads_batch = std::atoi(argv[3]);
  params.type_k = params.type_v = GGML_TYPE_F32;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  llama_context* context = llama_init_from_model(model, params);
  if (context == nullptr) return std::fprintf(stderr, "no context\n"), 1;

  if (std::string(argv[2]) != "-") {
    llama_adapter_lora* lora = llama_adapter_lora_init(model, argv[2]);
    if (lora == nullptr) return std::fprintf(stderr, "%s: not a LoRA for this model\n", argv[2]), 1;
    float scale = 1.0f;
    if (llama_set_adapters_lora(context, &lora, 1, &scale) != 0) return 1;
  }

  llama_batch batch = llama_batch_init(static_cast<int>(tokens.size()), 0, 1);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    batch.token[i] = tokens[i];
    batch.pos[i] = static_cast<llama_pos>(i);
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  batch.n_tokens = static_cast<int>(tokens.size());
  if (llama_decode(context, batch) != 0) return std::fprintf(stderr, "decode failed\n"), 1;

  const auto n_vocab = static_cast<std::size_t>(llama_vocab_n_tokens(llama_model_get_vocab(model)));
  std::ofstream out(argv[5], std::ios::binary);
  out.write(reinterpret_cast<const char*>(llama_get_logits(context)),
            static_cast<std::streamsize>(tokens.size() * n_vocab * sizeof(float)));
  out.close();
  llama_batch_free(batch);
  llama_free(context);
  llama_model_free(model);
  return out.good() ? 0 : 1;
}
