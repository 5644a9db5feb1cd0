#include "crayon/session/internal/test_world.h"

#include <fmt/format.h>

#include <thread>

#include "crayon/base/files.h"
#include "crayon/base/random.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/session/customize.h"

namespace crayon {
namespace {

constexpr const char* kTensor = "blk.2.attn_q.weight";

Adapter unit_adapter(std::size_t i, const std::string& base_id) {
  LoraTensor tensor{kTensor, Matrix(1, kWidth), Matrix(kWidth, 1), 1.0f};
  tensor.a.at(0, i) = 1;
  tensor.b.at(i, 0) = 1;
  return {.base_id = base_id, .tensors = {tensor}};
}

std::vector<float> read_weights(const Adapter& adapter) {
  std::vector<float> w(kWidth);
  const LoraTensor& tensor = adapter.tensors.front();
  for (std::size_t r = 0; r < tensor.rank(); ++r) {
    for (std::size_t i = 0; i < w.size(); ++i) {
      w[i] += tensor.scale * tensor.b.at(i, r) * tensor.a.at(r, i);
    }
  }
  return w;
}

Gate make_gate(std::size_t n) {
  Gate gate;
  gate.embedding = {2, Pooling::Last};
  gate.whitening.mean.assign(kWidth, 0.0f);
  gate.whitening.projection = Matrix(4, kWidth);
  Rng rng(5);
  for (float& x : gate.whitening.projection.data) x = static_cast<float>(rng.normal());
  Matrix keys(n, kWidth);
  for (float& x : keys.data) x = static_cast<float>(rng.normal());
  gate.keys = whiten(gate.whitening, keys);
  return gate;
}

class ScriptedEngine final : public Engine {
 public:
  ScriptedEngine(std::unique_ptr<Engine> fake, ScoreFunction score)
      : fake_(std::move(fake)), score_(std::move(score)) {}

  Matrix embed(std::span<const RenderedPrompt> prompts, const EmbeddingSpec& spec,
               const std::function<void(std::size_t)>& on_done) override {
    return fake_->embed(prompts, spec, on_done);
  }
  ScoreResult score(const ScoreRequest& request, const EmbeddingSpec& spec) override {
    ScoreResult result = fake_->score(request, spec);
    for (std::size_t c = 0; c < result.choices.size(); ++c) {
      result.choices[c].sum_log_prob = score_(request.prompt.text, c, weights_);
      result.choices[c].tokens = 1;
    }
    return result;
  }
  Generated generate(std::string_view prompt, const GenerateOptions& options,
                     const OnToken& on_token) override {
    return fake_->generate(prompt, options, on_token);
  }
  Matrix logits(std::span<const int> tokens) override { return fake_->logits(tokens); }
  void set_adapters(std::span<const BlendPart> parts) override {
    weights_.clear();
    if (!parts.empty()) weights_ = read_weights(parts.front().adapter);
  }
  void set_adapter_file(const std::filesystem::path& file) override {
    weights_ = read_weights(adapter_from_gguf(Gguf::open(file)));
  }
  void set_adapter_bytes(std::span<const std::byte> bytes, const std::string& name) override {
    weights_ = read_weights(adapter_from_gguf(Gguf::parse({bytes.begin(), bytes.end()}, name)));
  }

 private:
  std::unique_ptr<Engine> fake_;
  ScoreFunction score_;
  std::vector<float> weights_;
};

}  // namespace

Pool make_test_pool(const std::filesystem::path& folder, const Model& model, std::size_t n) {
  PoolManifest manifest;
  manifest.name = "test";
  manifest.base = model.base();
  manifest.first_layer = 2;
  std::vector<Adapter> adapters;
  for (std::size_t i = 0; i < n; ++i) {
    adapters.push_back(unit_adapter(i, model.base().id()));
    manifest.adapters.push_back({.name = fmt::format("a{}", i),
                                 .file = fmt::format("adapters/a{}.gguf", i),
                                 .sha256 = {},
                                 .rank = 1,
                                 .trained_on = {"nothing"},
                                 .licence = "none"});
  }
  write_pool(folder, manifest, make_gate(n), adapters, true);
  return Pool::open(folder);
}

std::vector<Example> make_test_examples(std::size_t n, bool labels) {
  std::vector<Example> examples(n);
  const char* words[] = {"apple", "river", "stone", "cloud", "lamp"};
  for (std::size_t k = 0; k < n; ++k) {
    examples[k].id = fmt::format("e{}", k);
    examples[k].question = fmt::format("is this {} number {}", words[k % 5], k);
    examples[k].choices = {"yes", "no", "maybe"};
    if (labels) examples[k].answer = static_cast<int>(k % 3);
  }
  return examples;
}

std::string write_test_task(const std::filesystem::path& folder, Model& model,
                            const std::function<void(TaskInfo&)>& change) {
  Pool pool = make_test_pool(folder / "pool", model, 4);
  const auto engine = model.open_engine();
  CustomizeReport report = customize(pool, model, *engine, make_test_examples(8));
  if (change) change(*report.task.info);
  const auto file = folder / "task.gguf";
  write_atomically(file, task_to_gguf(report.task));
  return file.string();
}

std::unique_ptr<Engine> make_scripted_engine(Model& model, ScoreFunction score) {
  return std::make_unique<ScriptedEngine>(model.open_engine({}), std::move(score));
}

FakeServer::FakeServer(Mode mode)
    : mode_(mode), http_(HttpServerOptions{.key = mode == Mode::WrongKey ? "another" : ""}) {
  if (mode != Mode::NoModels) {
    http_.route("GET", "/v1/models", [this](const ServerRequest&) {
      ++called;
      return ServerResponse{.body = R"({"data":[{"id":"big"}]})"};
    });
  }
  http_.route("POST", "/v1/chat/completions",
              [this](const ServerRequest& request) { return answer(request); });
  http_.start();
}

Remote FakeServer::remote(std::chrono::milliseconds patience) const {
  return Remote({.url = http_.url(), .model = "big", .key = "mine", .price = {1, 1}},
                {.total = patience});
}

ServerResponse FakeServer::answer(const ServerRequest& request) {
  ++asked;
  ++called;
  while (mode_ == Mode::Slow && !request.disconnected()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const std::string text = fmt::format(R"({{"role":"assistant","content":"{}"}})", reply);
  if (request.body.find("\"stream\":true") == std::string::npos) {
    return {.body = fmt::format(
                R"({{"model":"big","choices":[{{"index":0,"message":{},"logprobs":{},)"
                R"("finish_reason":"stop"}}],)"
                R"("usage":{{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}}})",
                text, log_probs)};
  }
  ServerResponse stream;
  stream.stream = [text, broken = mode_ == Mode::Broken](const SendEvent& send) {
    send(fmt::format(R"({{"model":"big","choices":[{{"index":0,"delta":{},"finish_reason":{}}}]}})",
                     text, broken ? "null" : R"("stop")"));
    if (!broken) send("[DONE]");
  };
  return stream;
}

Example make_question(const std::string& text) {
  Example example = make_test_examples(1, false).front();
  example.question = text;
  return example;
}

Example make_free_question(const std::string& text) {
  Example example;
  example.kind = ExampleKind::Messages;
  example.messages = {{"user", text}};
  return example;
}

}  // namespace crayon
