#include "crayon/testing/fake_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/random.h"
#include "crayon/formats/adapter_file.h"

namespace crayon {
namespace {

constexpr int kVocabulary = 256;

/// FNV-1a: the same on every machine, unlike std::hash.
std::uint64_t hash(std::string_view text, std::uint64_t start = 14695981039346656037ULL) {
  for (const char c : text) start = (start ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return start;
}
/// In [0, 1), from the top bits, which depend on all of the text.
double fraction(std::uint64_t h) { return Rng(h).uniform(); }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> result;
  for (std::string word; in >> word;) result.push_back(word);
  return result;
}

class FakeEngine final : public Engine {
 public:
  FakeEngine(std::shared_ptr<const Model> model, const FakeModelOptions& fake,
             const EngineOptions& options)
      : model_(std::move(model)),
        fake_(fake),
        context_(static_cast<std::size_t>(std::min(fake.context, options.context_tokens))) {}

  Matrix embed(std::span<const RenderedPrompt> prompts, const EmbeddingSpec& spec,
               const std::function<void(std::size_t)>& on_done) override {
    Matrix result(prompts.size(), static_cast<std::size_t>(fake_.d_model));
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      throw_if_interrupted();
      if (fake_.embedded != nullptr) ++*fake_.embedded;
      const auto h = hidden(prompts[i].text, spec);
      std::copy(h.begin(), h.end(), result.row(i).begin());
      if (on_done) on_done(i);
    }
    return result;
  }

  ScoreResult score(const ScoreRequest& request, const EmbeddingSpec& spec) override {
    if (request.prompt.choices.empty()) {
      throw Error(ErrorCode::InvalidArgument, "a question to score has no choices");
    }
    const auto tokens = tokenize_choices(request.prompt, prompt_tokenizer(*model_), context_);
    ScoreResult result;
    result.prompt_tokens = tokens.prefix.size();
    result.cut_tokens = tokens.cut_tokens;
    for (const auto& choice : request.prompt.choices) {
      const int n = static_cast<int>(choice.size());
      const double mean = mean_log_prob(request.prompt.text, choice);
      result.choices.push_back({static_cast<float>(mean * n), n});
      if (request.states && fake_.states) result.choices.back().state = hidden(choice, {});
    }
    if (request.embed) result.hidden = hidden(request.prompt.text, spec);
    return result;
  }

  Generated generate(std::string_view prompt, const GenerateOptions& options,
                     const OnToken& on_token) override;

  Matrix logits(std::span<const int> tokens) override {
    Matrix result(tokens.size(), kVocabulary);
    std::uint64_t h = adapter_;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      Rng rng(h = hash(std::to_string(tokens[i]), h));
      for (auto& x : result.row(i)) x = static_cast<float>(rng.normal());
    }
    return result;
  }

  void set_adapters(std::span<const BlendPart> parts) override {
    adapter_ = 0;
    for (const auto& part : parts) {
      if (part.weight == 0) continue;
      adapter_ = hash(fmt::format("{} {}", part.weight, part.adapter.tensors.size()), adapter_);
      for (const auto& tensor : part.adapter.tensors) adapter_ = add_tensor(tensor, adapter_);
    }
  }
  void set_adapter_file(const std::filesystem::path& file) override {
    set_adapter_bytes(read_file(file), file.string());
  }
  void set_adapter_bytes(std::span<const std::byte> bytes, const std::string& name) override {
    const Adapter adapter = adapter_from_gguf(Gguf::parse({bytes.begin(), bytes.end()}, name));
    const BlendPart part{adapter, 1.0f};
    set_adapters({&part, 1});
  }

 private:
  static std::uint64_t add_tensor(const LoraTensor& tensor, std::uint64_t h) {
    h = hash(tensor.name, h);
    for (const float x : tensor.b.data) h = hash(fmt::format("{}", x), h);
    return h;
  }

  std::vector<float> hidden(const std::string& text, const EmbeddingSpec& spec) const {
    std::vector<float> h(static_cast<std::size_t>(fake_.d_model));
    for (const auto& word : words(text)) {
      Rng rng(hash(word, hash(fmt::format("{} {}", spec.layer, to_string(spec.pooling)))));
      for (auto& x : h) x += static_cast<float>(rng.normal());
    }
    return h;
  }

  double mean_log_prob(const std::string& prompt, const std::string& choice) const {
    const std::string& marker = fake_.right_marker;
    const std::string pointed = marker + std::string(trimmed(choice));
    const bool right = !marker.empty() && (choice.find(marker) != std::string::npos ||
                                           prompt.find(pointed) != std::string::npos);
    const double own = fraction(hash(choice, hash(prompt)));
    const double shift = adapter_ == 0 ? 0 : 0.2 * fraction(hash(choice, adapter_));
    return right ? -0.2 - 0.5 * own - shift : -2.1 - 2 * own - shift;
  }

  /// What generate() writes, word by word, the blank before each included.
  std::vector<std::string> answer(const std::string& prompt) const {
    const auto at = prompt.rfind(fake_.right_marker);
    std::vector<std::string> result;
    if (!fake_.right_marker.empty() && at != std::string::npos) {
      const auto begin = at + fake_.right_marker.size();
      const auto end = std::min(prompt.find('\n', begin), prompt.size());
      for (const auto& word : words(prompt.substr(begin, end - begin)))
        result.push_back(" " + word);
      return result;
    }
    Rng rng(hash(prompt, adapter_ + 1));
    const std::size_t n = 1 + rng.below(8);
    for (std::size_t i = 0; i < n; ++i) result.push_back(fmt::format(" word{}", rng.below(1000)));
    return result;
  }

  std::shared_ptr<const Model> model_;
  FakeModelOptions fake_;
  std::size_t context_;
  std::uint64_t adapter_ = 0;  ///< Hash of what is set; 0 for the base alone.
};

Generated FakeEngine::generate(std::string_view prompt, const GenerateOptions& options,
                               const OnToken& on_token) {
  Generated result;
  result.prompt_tokens = prompt.size();
  if (prompt.size() >= context_) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("the prompt has {} tokens, the context {}", prompt.size(), context_));
  }
  if (options.on_hidden) options.on_hidden(hidden(std::string(prompt), options.embedding));
  for (const auto& text : answer(std::string(prompt))) {
    throw_if_interrupted();
    if (static_cast<int>(result.tokens.size()) == options.max_tokens) {
      result.finish = FinishReason::Length;
      return result;
    }
    const auto stops = [&](const std::string& stop) {
      return !stop.empty() && text.find(stop) != std::string::npos;
    };
    if (std::any_of(options.stop.begin(), options.stop.end(), stops)) return result;
    GeneratedToken token;
    token.id = static_cast<unsigned char>(text.back());
    token.text = text;
    token.log_prob = static_cast<float>(-0.1 - fraction(hash(text, hash(prompt, adapter_))));
    for (int i = 0; i < options.top_log_probs; ++i) {
      token.top.push_back({token.id + i, i == 0 ? text : fmt::format(" other{}", i),
                           token.log_prob - static_cast<float>(i)});
    }
    result.text += text;
    result.tokens.push_back(token);
    if (on_token && !on_token(token)) {
      result.finish = FinishReason::Cancelled;
      return result;
    }
  }
  return result;
}

class FakeModel final : public Model, public std::enable_shared_from_this<FakeModel> {
 public:
  explicit FakeModel(const FakeModelOptions& options) : options_(options) {
    base_.architecture = "llama";
    base_.name = "fake";
    base_.sha256 = std::string(64, 'f');
    base_.n_layers = options.n_layers;
    base_.d_model = options.d_model;
    base_.n_heads = 2;
    base_.n_kv_heads = 1;
    base_.d_ff = 2 * options.d_model;
    base_.n_vocab = kVocabulary;
    base_.vocab_sha256 = std::string(64, 'a');
  }

  const BaseModel& base() const override { return base_; }
  int context_trained() const override { return options_.context; }
  std::vector<int> tokenize(std::string_view text, bool, bool) const override {
    std::vector<int> tokens;
    for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
    return tokens;
  }
  std::string detokenize(std::span<const int> tokens) const override {
    std::string text;
    for (const int token : tokens) text += static_cast<char>(token);
    return text;
  }
  std::string apply_chat_template(const std::vector<ChatMessage>& messages,
                                  bool add_assistant) const override {
    std::string text;
    for (const auto& m : messages) text += fmt::format("<{}>{}</{}>\n", m.role, m.content, m.role);
    return add_assistant ? text + "<assistant>" : text;
  }
  std::unique_ptr<Engine> open_engine(const EngineOptions& options) override {
    return std::make_unique<FakeEngine>(shared_from_this(), options_, options);
  }
  FloatTensor tensor(const std::string& name) const override {
    throw Error(ErrorCode::NotFound, fmt::format("the fake model has no tensor '{}'", name));
  }
  double hyperparameter(const std::string& key) const override {
    throw Error(ErrorCode::NotFound, fmt::format("the fake model has no '{}'", key));
  }

 private:
  FakeModelOptions options_;
  BaseModel base_;
};

}  // namespace

std::shared_ptr<Model> make_fake_model(const FakeModelOptions& options) {
  return std::make_shared<FakeModel>(options);
}

}  // namespace crayon
