// A program that knows llama.cpp and nothing of Crayon: loads a model and LoRA files, which
// llama.cpp adds up at run time with their scales, evaluates tokens in one batch and writes the
// logits of every position as raw float32.
//   llama_only MODEL THREADS CONTEXT OUT [LORA:SCALE]... -- TOKEN...
//   llama_only --f16 MODEL OUT      (writes a copy of the model with its weights as F16)
// The end-to-end tests compare them with the engine's: the same files, the same numbers.
#include <llama.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace {

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "llama_only: %s\n", what.c_str());
  std::exit(1);
}

/// "file.gguf:0.5"
void add_loras(llama_model* model, llama_context* context, const std::vector<std::string>& pairs) {
  std::vector<llama_adapter_lora*> loras;
  std::vector<float> scales;
  for (const std::string& pair : pairs) {
    const std::size_t colon = pair.rfind(':');
    if (colon == std::string::npos) fail("'" + pair + "' is not LORA:SCALE");
    const std::string file = pair.substr(0, colon);
    loras.push_back(llama_adapter_lora_init(model, file.c_str()));
    if (loras.back() == nullptr) fail(file + " is not a LoRA for this model");
    scales.push_back(std::strtof(pair.c_str() + colon + 1, nullptr));
  }
  if (loras.empty()) return;
  if (llama_set_adapters_lora(context, loras.data(), loras.size(), scales.data()) != 0) {
    fail("llama.cpp refuses these LoRAs");
  }
}

void decode(llama_context* context, const std::vector<llama_token>& tokens) {
  llama_batch batch = llama_batch_init(static_cast<int>(tokens.size()), 0, 1);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    batch.token[i] = tokens[i];
    batch.pos[i] = static_cast<llama_pos>(i);
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  batch.n_tokens = static_cast<int>(tokens.size());
  if (llama_decode(context, batch) != 0) fail("decode failed");
  llama_batch_free(batch);
}

/// Arithmetic on F16 weights does not round the activations to 8 bits.
int write_f16(const char* model, const char* out) {
  llama_model_quantize_params params = llama_model_quantize_default_params();
  params.ftype = LLAMA_FTYPE_MOSTLY_F16;
  params.allow_requantize = true;
  return llama_model_quantize(model, out, &params) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  if (argc == 4 && std::strcmp(argv[1], "--f16") == 0) return write_f16(argv[2], argv[3]);
  int next = 5;
  std::vector<std::string> loras;
  while (next < argc && std::strcmp(argv[next], "--") != 0) loras.emplace_back(argv[next++]);
  if (next + 1 >= argc)
    fail("usage: llama_only MODEL THREADS CONTEXT OUT [LORA:SCALE]... -- TOKEN...");
  std::vector<llama_token> tokens;
  for (int i = next + 1; i < argc; ++i) tokens.push_back(std::atoi(argv[i]));

  llama_model* model = llama_model_load_from_file(argv[1], llama_model_default_params());
  if (model == nullptr) fail(std::string(argv[1]) + " is not loaded by llama.cpp");
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<std::uint32_t>(std::atoi(argv[3]));
  params.n_batch = params.n_ubatch = 512;
  params.n_threads = params.n_threads_batch = std::atoi(argv[2]);
  params.type_k = params.type_v = GGML_TYPE_F32;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  llama_context* context = llama_init_from_model(model, params);
  if (context == nullptr) fail("no context");
  add_loras(model, context, loras);
  decode(context, tokens);

  const auto n_vocab = static_cast<std::size_t>(llama_vocab_n_tokens(llama_model_get_vocab(model)));
  std::ofstream out(argv[4], std::ios::binary);
  out.write(reinterpret_cast<const char*>(llama_get_logits(context)),
            static_cast<std::streamsize>(tokens.size() * n_vocab * sizeof(float)));
  out.close();
  llama_free(context);
  llama_model_free(model);
  return out.good() ? 0 : 1;
}
