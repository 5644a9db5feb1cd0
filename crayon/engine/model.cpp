// open_model and the Model over llama.cpp.
#include <fmt/format.h>

#include <limits>

#include "crayon/base/error.h"
#include "crayon/engine/engine.h"
#include "crayon/engine/internal/chat_template.h"
#include "crayon/engine/internal/dequantize.h"
#include "crayon/engine/internal/llama_engine.h"
#include "crayon/engine/internal/vocabulary.h"
#include "crayon/formats/model_file.h"

namespace crayon {
namespace internal {
namespace {

class GgufModel final : public Model, public std::enable_shared_from_this<GgufModel> {
 public:
  GgufModel(const std::filesystem::path& path, Gguf gguf, const ModelOptions& options)
      : path_(path),
        gguf_(std::move(gguf)),
        base_(describe_model(path, options.with_hash)),
        chat_template_(options.chat_template),
        gpu_layers_(options.gpu_layers),
        llama_(std::make_shared<LlamaModel>(path, options.gpu_layers)) {
    if (chat_template_.empty()) {
      const char* own = llama_model_chat_template(llama_->get(), nullptr);
      if (own != nullptr) chat_template_ = own;
    }
  }

  const BaseModel& base() const override { return base_; }
  int context_trained() const override {
    const int tokens = llama_model_n_ctx_train(llama_->get());
    return tokens < 0 ? std::numeric_limits<int>::max() : tokens;  // the file has an uint32
  }

  std::vector<int> tokenize(std::string_view text, bool add_bos,
                            bool parse_special) const override {
    if (parse_special) return tokenize_prompt(*llama_, text, add_bos);
    std::vector<int> tokens = tokenize_text(*llama_, text, false);
    const int bos = llama_vocab_bos(llama_->vocab());
    if (add_bos && llama_vocab_get_add_bos(llama_->vocab()) && bos >= 0) {
      tokens.insert(tokens.begin(), bos);
    }
    return tokens;
  }

  std::string detokenize(std::span<const int> tokens) const override {
    std::string text;
    for (const int token : tokens) {
      if (token < 0 || token >= base_.n_vocab) {
        throw Error(ErrorCode::InvalidArgument,
                    fmt::format("token {}; expected 0 to {}", token, base_.n_vocab - 1));
      }
      text += token_piece(*llama_, token, /*special=*/true);
    }
    return text;
  }

  std::string apply_chat_template(const std::vector<ChatMessage>& messages,
                                  bool add_assistant) const override {
    return internal::apply_chat_template(chat_template_, messages, add_assistant, base_.name);
  }

  std::unique_ptr<Engine> open_engine(const EngineOptions& options) override {
    return std::make_unique<LlamaEngine>(
        EngineModel{shared_from_this(), llama_, &gguf_, gpu_layers_}, options);
  }

  FloatTensor tensor(const std::string& name) const override {
    const GgufTensor* found = gguf_.find(name);
    if (found == nullptr) {
      throw Error(ErrorCode::NotFound,
                  fmt::format("{}: no tensor '{}' among its {}; names are GGUF's, like "
                              "'blk.0.attn_q.weight'",
                              path_.string(), name, gguf_.tensors().size()));
    }
    return {found->shape, read_dequantized(gguf_, *found)};
  }

  double hyperparameter(const std::string& key) const override {
    if (gguf_.has(key)) return gguf_.real(key);
    throw Error(ErrorCode::NotFound,
                fmt::format("{}: no '{}' in its metadata", path_.string(), key));
  }

 private:
  std::filesystem::path path_;
  Gguf gguf_;
  BaseModel base_;
  std::string chat_template_;  ///< Text, or a name that llama.cpp knows; "" for none.
  int gpu_layers_;
  std::shared_ptr<const LlamaModel> llama_;
};

void check_architecture(const Gguf& gguf) {
  const std::string found = gguf.text("general.architecture");
  if (found == "llama" || found == "qwen2") return;
  throw Error(ErrorCode::Unsupported,
              fmt::format("{}: architecture '{}'; supported are 'llama' (Llama, SmolLM2, Mistral) "
                          "and 'qwen2' (Qwen2, Qwen2.5)",
                          gguf.file(), found));
}

}  // namespace
}  // namespace internal

Tokenize prompt_tokenizer(const Model& model) {
  return [&model](std::string_view text) {
    return model.tokenize(text, /*add_bos=*/true, /*parse_special=*/true);
  };
}

std::shared_ptr<Model> open_model(const std::filesystem::path& gguf, const ModelOptions& options) {
  internal::check_chat_template_name(options.chat_template);
  Gguf header = Gguf::open(gguf);
  internal::check_architecture(header);
  return std::make_shared<internal::GgufModel>(gguf, std::move(header), options);
}

}  // namespace crayon
