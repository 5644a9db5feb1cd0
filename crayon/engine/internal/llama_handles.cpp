#include "crayon/engine/internal/llama_handles.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <mutex>
#include <new>
#include <utility>

#include "crayon/base/error.h"
#include "crayon/engine/internal/llama_log.h"
#include "crayon/engine/internal/memory_file.h"

namespace crayon::internal {
namespace {

/// A file in memory that holds `bytes`.
File file_of(std::span<const std::byte> bytes) {
  File file = memory_file("crayon-adapter");
  if (std::fwrite(bytes.data(), 1, bytes.size(), file.get()) != bytes.size()) {
    throw Error(ErrorCode::Unavailable,
                fmt::format("no memory for the {} bytes of an adapter", bytes.size()));
  }
  rewind_file(file);
  return file;
}

llama_model_params model_params(int gpu_layers) {
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = gpu_layers;
  return params;
}

}  // namespace

void rethrow_as_corrupt(const std::string& file) {
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    throw Error(ErrorCode::CorruptFile,
                fmt::format("{}: llama.cpp {} fails on this file: {}; use a GGUF that llama-server "
                            "loads",
                            file, llama_version(), e.what()));
  }
}

LlamaModel::LlamaModel(const std::filesystem::path& gguf, int gpu_layers) : file_(gguf.string()) {
  load([&] { return llama_model_load_from_file(gguf.c_str(), model_params(gpu_layers)); });
}

LlamaModel::LlamaModel(std::FILE* gguf, std::string name, int gpu_layers) : file_(std::move(name)) {
  load([&] { return llama_model_load_from_file_ptr(gguf, model_params(gpu_layers)); });
}

template <typename Call>
void LlamaModel::load(const Call& call) {
  start_llama();
  const LlamaLogCapture log;
  handle_.reset(guarded(file_, call));
  if (!handle_) {
    throw Error(ErrorCode::Incompatible,
                fmt::format("{}: llama.cpp {} cannot load this model: {}; use a GGUF that "
                            "llama-server loads",
                            file_, llama_version(), log.reason()));
  }
}

LlamaAdapter::LlamaAdapter(std::shared_ptr<const LlamaModel> model, std::span<const std::byte> gguf,
                           const std::string& name)
    : model_(std::move(model)) {
  const File file = file_of(gguf);
  const LlamaLogCapture log;
  const std::unique_lock lock(model_->adapters());
  handle_ = guarded(
      name, [&] { return llama_adapter_lora_init_from_file_ptr(model_->get(), file.get()); });
  if (handle_ == nullptr) {
    throw Error(ErrorCode::Incompatible,
                fmt::format("{}: llama.cpp rejects this adapter for the loaded model: {}; use an "
                            "adapter made for this base",
                            name, log.reason()));
  }
}

LlamaAdapter::~LlamaAdapter() {
  const std::unique_lock lock(model_->adapters());
  llama_adapter_lora_free(handle_);
}

void LlamaBatch::add(const Entry& entry) {
  tokens_.push_back(entry.token);
  positions_.push_back(entry.position);
  sequences_.push_back(entry.sequence);
  sequence_counts_.push_back(entry.sequences);
  wanted_.push_back(entry.output ? 1 : 0);
  outputs_ += entry.output ? 1 : 0;
}

void LlamaBatch::clear() {
  tokens_.clear();
  positions_.clear();
  sequences_.clear();
  sequence_counts_.clear();
  rows_ = {};
  wanted_.clear();
  outputs_ = 0;
}

llama_batch LlamaBatch::view() {
  llama_seq_id most = 0;
  for (std::size_t i = 0; i < size(); ++i)
    most = std::max(most, sequences_[i] + sequence_counts_[i]);
  while (all_.size() < static_cast<std::size_t>(most)) {
    all_.push_back(static_cast<llama_seq_id>(all_.size()));
  }
  sequence_pointers_.resize(size());
  for (std::size_t i = 0; i < size(); ++i) {
    sequence_pointers_[i] = all_.data() + sequences_[i];
  }
  llama_batch batch{};
  batch.n_tokens = static_cast<std::int32_t>(size());
  if (rows_.empty()) {
    batch.token = tokens_.data();
  } else {
    batch.embd = const_cast<float*>(rows_.data());  // only read
  }
  batch.pos = positions_.data();
  batch.n_seq_id = sequence_counts_.data();
  batch.seq_id = sequence_pointers_.data();
  batch.logits = wanted_.data();
  return batch;
}

LlamaContext::LlamaContext(std::shared_ptr<const LlamaModel> model,
                           const llama_context_params& params)
    : model_(std::move(model)) {
  const LlamaLogCapture log;
  const std::shared_lock lock(model_->adapters());
  handle_.reset(
      guarded(model_->file(), [&] { return llama_init_from_model(model_->get(), params); }));
  if (!handle_) {
    throw Error(ErrorCode::Unavailable,
                fmt::format("llama.cpp cannot make a context of {} tokens: {}; ask for fewer",
                            params.n_ctx, log.reason()));
  }
}

void LlamaContext::decode(LlamaBatch& batch) {
  const LlamaLogCapture log;
  const std::shared_lock lock(model_->adapters());
  std::string reason;
  try {
    tokens_read_ += batch.size();
    if (llama_decode(handle_.get(), batch.view()) == 0) return;
    reason = log.reason();
  } catch (const std::exception& e) {
    reason = e.what();
  }
  throw Error(ErrorCode::Unavailable,
              fmt::format("llama.cpp could not compute {} tokens: {}", batch.size(), reason));
}

std::span<const float> LlamaContext::logits(std::size_t entry) const {
  const float* row = llama_get_logits_ith(handle_.get(), static_cast<std::int32_t>(entry));
  if (row == nullptr) {
    throw Error(ErrorCode::Unavailable, fmt::format("llama.cpp has no logits of entry {}", entry));
  }
  const int n_vocab = llama_vocab_n_tokens(model_->vocab());
  return {row, static_cast<std::size_t>(n_vocab)};
}

void LlamaContext::clear() { llama_memory_clear(llama_get_memory(handle_.get()), false); }

void LlamaContext::copy_sequence(int from, int to) {
  llama_memory_seq_cp(llama_get_memory(handle_.get()), from, to, -1, -1);
}

void LlamaContext::remove_sequence(int sequence) {
  llama_memory_seq_rm(llama_get_memory(handle_.get()), sequence, -1, -1);
}

bool LlamaContext::truncate_sequence(int sequence, int length) {
  return llama_memory_seq_rm(llama_get_memory(handle_.get()), sequence, length, -1);
}

void LlamaContext::set_adapter(const LlamaAdapter* adapter) {
  llama_adapter_lora* handle = adapter == nullptr ? nullptr : adapter->get();
  float scale = 1.0f;
  const std::shared_lock lock(model_->adapters());
  guarded(model_->file(), [&] {
    return llama_set_adapters_lora(handle_.get(), &handle, handle == nullptr ? 0 : 1, &scale);
  });
}

}  // namespace crayon::internal
