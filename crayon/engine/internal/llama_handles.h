// llama.cpp's handles as move-only types: they free themselves and give llama.cpp's reason in
// Error.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "llama.h"

namespace crayon::internal {

struct LlamaFree {
  void operator()(llama_model* p) const noexcept { llama_model_free(p); }
  void operator()(llama_context* p) const noexcept { llama_free(p); }
  void operator()(llama_sampler* p) const noexcept { llama_sampler_free(p); }
};
using LlamaSampler = std::unique_ptr<llama_sampler, LlamaFree>;

/// Throws the exception that is being handled as Error CorruptFile naming `file`, for it is what a
/// file made llama.cpp do; errors of ours and a lack of memory as they are.
[[noreturn]] void rethrow_as_corrupt(const std::string& file);

/// Makes a call of llama.cpp, which may throw exceptions of its own.
template <typename Call>
auto guarded(const std::string& file, const Call& call) -> decltype(call()) {
  try {
    return call();
  } catch (...) {
    rethrow_as_corrupt(file);
  }
}

/// Weights and vocabulary. llama.cpp keeps a list of a model's adapters that every context reads
/// when it plans a pass: computing takes `adapters` shared, loading and freeing one alone.
class LlamaModel {
 public:
  /// @throws Error Incompatible, CorruptFile  llama.cpp rejects the file; its reason is quoted
  LlamaModel(const std::filesystem::path& gguf, int gpu_layers);
  /// The same from an open file, from its start; it may be closed afterwards.
  LlamaModel(std::FILE* gguf, std::string name, int gpu_layers);

  [[nodiscard]] llama_model* get() const noexcept { return handle_.get(); }
  [[nodiscard]] const llama_vocab* vocab() const noexcept {
    return llama_model_get_vocab(handle_.get());
  }
  [[nodiscard]] const std::string& file() const noexcept { return file_; }  ///< For messages.
  [[nodiscard]] std::shared_mutex& adapters() const noexcept { return adapters_; }

 private:
  template <typename Call>
  void load(const Call& call);

  std::string file_;
  mutable std::shared_mutex adapters_;
  std::unique_ptr<llama_model, LlamaFree> handle_;
};

/// A LoRA adapter loaded into one model, which it keeps alive.
class LlamaAdapter {
 public:
  /// @param gguf  bytes that our own reader has checked; llama.cpp gets these and no others
  /// @throws Error Incompatible  llama.cpp rejects them for this model; its reason is quoted
  LlamaAdapter(std::shared_ptr<const LlamaModel> model, std::span<const std::byte> gguf,
               const std::string& name);
  ~LlamaAdapter();
  LlamaAdapter(const LlamaAdapter&) = delete;
  LlamaAdapter& operator=(const LlamaAdapter&) = delete;

  [[nodiscard]] llama_adapter_lora* get() const noexcept { return handle_; }

 private:
  std::shared_ptr<const LlamaModel> model_;
  llama_adapter_lora* handle_ = nullptr;
};

/// Tokens for one llama_decode call.
class LlamaBatch {
 public:
  struct Entry {
    int token = 0;
    int position = 0;
    int sequence = 0;
    bool output = false;  ///< Are this token's logits wanted?
    int sequences = 1;    ///< It belongs to so many, from `sequence` on.
  };
  void add(const Entry& entry);
  /// Hidden states [size(), d] to be read in place of the tokens; borrows them.
  void feed(std::span<const float> rows) { rows_ = rows; }
  void clear();
  [[nodiscard]] std::size_t size() const { return tokens_.size(); }
  [[nodiscard]] std::size_t outputs() const { return outputs_; }
  [[nodiscard]] llama_batch view();  ///< Borrows; valid until the next change.

 private:
  std::vector<llama_token> tokens_;
  std::vector<llama_pos> positions_;
  std::vector<llama_seq_id> sequences_;  ///< The first one of each entry.
  std::vector<llama_seq_id> all_;        ///< 0, 1, 2, ...: what the pointers point into.
  std::vector<llama_seq_id*> sequence_pointers_;
  std::vector<std::int32_t> sequence_counts_;
  std::vector<std::int8_t> wanted_;
  std::size_t outputs_ = 0;
  std::span<const float> rows_;
};

/// One KV cache and its compute buffers.
class LlamaContext {
 public:
  /// @throws Error Unavailable  it cannot be made (memory); llama.cpp's reason is quoted
  LlamaContext(std::shared_ptr<const LlamaModel> model, const llama_context_params& params);

  /// Runs the batch. @throws Error Unavailable  llama.cpp's reason is quoted
  void decode(LlamaBatch& batch);
  /// Logits of the i-th entry of the last batch, [n_vocab]; borrowed until the next decode.
  [[nodiscard]] std::span<const float> logits(std::size_t entry) const;

  void clear();                          ///< Forgets all sequences.
  void copy_sequence(int from, int to);  ///< Shares all cells of `from` with `to`.
  void remove_sequence(int sequence);    ///< Frees the cells that no other one shares.
  /// Keeps a sequence's first `length` tokens; false when this kind of cache cannot.
  bool truncate_sequence(int sequence, int length);
  void set_adapter(const LlamaAdapter* adapter);  ///< null: the base alone.
  [[nodiscard]] llama_context* get() const noexcept { return handle_.get(); }
  [[nodiscard]] std::size_t tokens_read() const noexcept { return tokens_read_; }  ///< So far.

 private:
  std::shared_ptr<const LlamaModel> model_;
  std::size_t tokens_read_ = 0;
  std::unique_ptr<llama_context, LlamaFree> handle_;
};

}  // namespace crayon::internal
