#include "crayon/formats/task_file.h"

#include "crayon/formats/adapter_file.h"
#include "tests/corrupt/support.h"

namespace crayon {
namespace {

using test::expect_error;
using test::golden;
using test::small_task;

Task through_file(const Task& task) {
  return task_from_gguf(Gguf::parse(task_to_gguf(task, TensorType::F32), "t.gguf"));
}

TEST(TaskFile, EverythingReadsBack) {
  Task task = small_task();
  task.info->calibration.guess = 0.25;
  task.info->judged[2].signals.free_text = true;
  const Task got = through_file(task);
  ASSERT_TRUE(got.info.has_value());
  const TaskInfo& a = *task.info;
  const TaskInfo& b = *got.info;
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.pool_id, b.pool_id);
  EXPECT_EQ(a.base.id(), b.base.id());
  EXPECT_EQ(a.base.sha256, b.base.sha256);
  EXPECT_EQ(a.base.name, b.base.name);
  EXPECT_EQ(a.weights, b.weights);
  EXPECT_EQ(a.mode, b.mode);
  EXPECT_EQ(a.rank, b.rank);
  EXPECT_EQ(a.relative_error, b.relative_error);
  EXPECT_EQ(a.n_examples, b.n_examples);
  EXPECT_EQ(a.kept, b.kept);
  EXPECT_EQ(a.prompt.style, b.prompt.style);
  EXPECT_EQ(a.prompt.system, b.prompt.system);
  EXPECT_EQ(a.prompt.with_context, b.prompt.with_context);
  EXPECT_EQ(a.embedding, b.embedding);
  EXPECT_EQ(a.whitening.mean, b.whitening.mean);
  EXPECT_EQ(a.whitening.projection.data, b.whitening.projection.data);
  EXPECT_EQ(b.whitening.projection.rows, 4u);
  EXPECT_EQ(a.scope_examples.data, b.scope_examples.data);
  EXPECT_EQ(b.scope_examples.cols, 4u);
  EXPECT_EQ(a.scope.sizes, b.scope.sizes);
  EXPECT_EQ(a.scope.quantiles.data, b.scope.quantiles.data);
  EXPECT_EQ(b.scope.quantiles.rows, 2u);
  EXPECT_EQ(a.head.labels, b.head.labels);
  EXPECT_EQ(a.head.bias, b.head.bias);
  EXPECT_EQ(a.head.probe.data, b.head.probe.data);
  EXPECT_EQ(b.head.probe.rows, 3u);
  EXPECT_EQ(a.head.probe_weight, b.head.probe_weight);
  EXPECT_TRUE(b.head.choice_probe.empty());
  EXPECT_EQ(a.calibration.slope, b.calibration.slope);
  EXPECT_EQ(a.calibration.intercept, b.calibration.intercept);
  EXPECT_EQ(a.calibration.n, b.calibration.n);
  EXPECT_EQ(a.calibration.approximate, b.calibration.approximate);
  EXPECT_EQ(a.calibration.guess, b.calibration.guess);
  EXPECT_EQ(a.recent_scores, b.recent_scores);
  EXPECT_EQ(a.generic.slope, b.generic.slope);
  EXPECT_EQ(a.generic.n, b.generic.n);
  ASSERT_TRUE(b.server.has_value());
  EXPECT_EQ(a.server->intercept, b.server->intercept);
  ASSERT_EQ(b.judged.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(a.judged[i].signals.top, b.judged[i].signals.top);
    EXPECT_EQ(a.judged[i].signals.margin, b.judged[i].signals.margin);
    EXPECT_EQ(a.judged[i].signals.entropy, b.judged[i].signals.entropy);
    EXPECT_EQ(a.judged[i].right, b.judged[i].right);
    EXPECT_EQ(a.judged[i].server_right, b.judged[i].server_right);
    EXPECT_EQ(a.judged[i].held_out, b.judged[i].held_out);
    EXPECT_EQ(a.judged[i].signals.free_text, b.judged[i].signals.free_text);
  }
  EXPECT_TRUE(b.policy.local_only);
  EXPECT_FALSE(b.policy.server_allowed);
  EXPECT_EQ(got.adapter.base_id, task.adapter.base_id);
  EXPECT_EQ(got.adapter.tensors.size(), task.adapter.tensors.size());
}

/// Older programs would answer without it, so they are told that they do not know the format.
TEST(TaskFile, AChoiceProbeReadsBackFromAFormatOfItsOwn) {
  Task task = small_task();
  const auto version = [](const Task& one) {
    return Gguf::parse(task_to_gguf(one), "t.gguf").number("crayon.format_version");
  };
  EXPECT_EQ(version(task), 1u);
  task.info->head.choice_probe.assign(static_cast<std::size_t>(task.info->base.d_model), 0.5f);
  EXPECT_EQ(version(task), 2u);
  EXPECT_EQ(through_file(task).info->head.choice_probe, task.info->head.choice_probe);
  task.info->head.choice_probe[0] = NAN;
  EXPECT_THROW((void)task_to_gguf(task), Error);
  task.info->head.choice_probe[0] = 0;
  task.info->head.choice_probe.pop_back();
  EXPECT_THROW((void)task_to_gguf(task), Error);
}

TEST(TaskFile, ATaskWithoutScopeHeadOrAdapterReadsBack) {
  Task task = small_task();
  task.adapter.tensors.clear();
  task.info->whitening = {};
  task.info->scope_examples = {};
  task.info->head = {};
  task.info->weights.clear();
  task.info->recent_scores.clear();
  task.info->judged.clear();
  task.info->server.reset();
  const Task got = through_file(task);
  EXPECT_TRUE(got.adapter.tensors.empty());
  EXPECT_EQ(got.info->scope_examples.rows, 0u);
  EXPECT_TRUE(got.info->head.empty());
  EXPECT_TRUE(got.info->judged.empty());
  EXPECT_FALSE(got.info->server.has_value());
}

TEST(TaskFile, ALoraOfAnotherToolHasNoInfo) {
  const Task task = read_task(golden("lora.gguf"));
  EXPECT_FALSE(task.info.has_value());
  EXPECT_EQ(task.adapter.tensors.size(), 4u);
  EXPECT_EQ(through_file(task).adapter.tensors.size(), 4u);
}

TEST(TaskFile, TheSameTaskGivesTheSameBytes) {
  EXPECT_EQ(task_to_gguf(small_task()), task_to_gguf(small_task()));
}

TEST(TaskFile, ABaseModelIsNoTask) {
  expect_error([] { (void)read_task(golden("model.gguf")); }, ErrorCode::CorruptFile,
               "general.type is 'model', expected 'adapter'");
}

TEST(TaskFile, RefusesToWriteWhatItWouldNotRead) {
  const std::vector<std::pair<std::function<void(TaskInfo&)>, const char*>> cases{
      {[](TaskInfo& i) { i.mode = "ties"; }, "'ties', expected 'exact' or 'lowrank'"},
      {[](TaskInfo& i) { i.weights[0] = NAN; }, "the weights hold nan"},
      {[](TaskInfo& i) { i.relative_error = -1; }, "relative error is -1"},
      {[](TaskInfo& i) { i.calibration.slope = INFINITY; }, "calibration's numbers hold inf"},
      {[](TaskInfo& i) { i.generic.guess = 1; }, "guess is 1"},
      {[](TaskInfo& i) { i.recent_scores[0] = NAN; }, "the recent scores hold"},
      {[](TaskInfo& i) { i.whitening.mean.pop_back(); }, "whitening's means are 7, expected 8"},
      {[](TaskInfo& i) { i.scope_examples.at(1, 2) += 1; }, "scope example 1 has norm"},
      {[](TaskInfo& i) { i.scope_examples = test::unit_rows(test::random_matrix(2, 5, 1)); },
       "scope's columns are 5, expected 4"},
      {[](TaskInfo& i) {
         i.scope.sizes = {8, 4};
       },
       "scope model: sizes 8, 4"},
      {[](TaskInfo& i) { i.head.labels[1] = 3; }, "labels do not ascend"},
      {[](TaskInfo& i) { i.head.bias.pop_back(); }, "biases are 2, expected 3"},
      {[](TaskInfo& i) { i.head.probe = Matrix(2, 5); }, "probe's rows are 2, expected 3"},
      {[](TaskInfo& i) { i.head.probe = Matrix(3, 4); }, "probe's columns are 4, expected 5"},
      {[](TaskInfo& i) { i.head.probe_weight = NAN; }, "probe's weight is not finite"},
      {[](TaskInfo& i) { i.base.n_layers = 4; }, "the adapter is made for base"},
  };
  for (const auto& [change, part] : cases) {
    Task task = small_task();
    change(*task.info);
    expect_error([&] { (void)task_to_gguf(task); }, ErrorCode::InvalidArgument, part);
  }
}

/// The metadata of small_task(), to be changed before it is written again with the adapter.
struct Metadata {
  AdapterFileOptions options;
  std::string& json() { return std::get<std::string>(options.metadata["crayon.task"]); }
  void replace(const std::string& from, const std::string& to) {
    ASSERT_NE(json().find(from), std::string::npos) << from;
    json().replace(json().find(from), from.size(), to);
  }
  template <typename T>
  std::vector<T>& array(const char* key) {
    return std::get<std::vector<T>>(std::get<GgufArray>(options.metadata[key]));
  }
};

TEST(TaskFile, RefusesBrokenMetadata) {
  struct Case {
    std::function<void(Metadata&)> change;
    const char* part;
    ErrorCode code = ErrorCode::CorruptFile;
  };
  const auto replace = [](const char* from, const char* to) {
    return [=](Metadata& m) { m.replace(from, to); };
  };
  const auto erase = [](const char* key) {
    return [=](Metadata& m) { m.options.metadata.erase(key); };
  };
  const std::vector<Case> cases{
      {[](Metadata& m) { m.options.metadata["crayon.format_version"] = std::uint64_t{3}; },
       "has task format 3, this program knows 2", ErrorCode::Unsupported},
      {[](Metadata& m) { m.options.metadata["crayon.format_version"] = std::string("1"); },
       "'crayon.format_version' is of another kind"},
      {[](Metadata& m) { m.options.metadata["crayon.task"] = true; }, "expected a text"},
      {erase("crayon.task"), "lacks the key 'crayon.task'"},
      {erase("crayon.weights"), "lacks the key 'crayon.weights'"},
      {erase("crayon.recent_scores"), "'crayon.recent_scores' is missing"},
      {erase("crayon.head.labels"), "'crayon.head.labels' is missing"},
      {erase("crayon.whitening.mean"), "lacks the key 'crayon.whitening.mean'"},
      {[](Metadata& m) { m.json() = "{"; }, "crayon.task: is not JSON"},
      {[](Metadata& m) { m.json() = "[]"; }, "the JSON is an array"},
      {replace("\"rank\":2", "\"rank\":2.5"), "key 'rank' is '2.5', expected an integer"},
      {replace("\"rank\":2", "\"rank\":-1"), "key 'rank' is '-1'"},
      {replace("\"n_layers\":3", "\"n_layers\":0"), "key 'base.n_layers' is '0'"},
      {replace("\"style\":\"chat\"", "\"style\":\"x\""), "key 'prompt.style' is '\"x\"'"},
      {replace("\"version\":1", "\"version\":9"), "prompt version 9", ErrorCode::Unsupported},
      {replace("{question}", "question"), "prompt: "},
      {replace("\"pooling\":\"mean\"", "\"pooling\":\"max\""), "expected 'mean' or 'last'"},
      {replace("\"layer\":2", "\"layer\":4"),
       "key 'embedding.layer' is '4', expected an integer in 0..3"},
      {replace("\"local_only\":true", "\"local_only\":1"), "'policy.local_only' is '1'"},
      {replace("\"kept\":", "\"name\":"), "has the key 'name' twice"},
      {replace("\"intercept\":-0.25", "\"intercept\":null"), "'calibration.intercept' is 'null'"},
      {[](Metadata& m) { m.array<float>("crayon.scope.examples").pop_back(); },
       "has 11 numbers, expected a multiple of 4"},
      {erase("crayon.scope.quantiles"), "lacks the key 'crayon.scope.quantiles'"},
      {[](Metadata& m) { m.array<float>("crayon.scope.quantiles").pop_back(); },
       "scope model: 5 numbers"},
      {[](Metadata& m) { m.array<float>("crayon.whitening.projection").push_back(0); },
       "has 33 numbers, expected a multiple of 8"},
      {[](Metadata& m) { m.array<float>("crayon.whitening.projection").clear(); },
       "expected a multiple of 0"},
      {[](Metadata& m) { m.array<float>("crayon.scope.examples")[0] = NAN; },
       "the scope's numbers hold nan"},
      {[](Metadata& m) { m.array<std::uint64_t>("crayon.head.labels")[0] = 9; },
       "labels do not ascend"},
      {[](Metadata& m) {
         m.options.metadata["crayon.head.bias"] = GgufArray(std::vector<std::string>{});
       },
       "array of floating-point"},
  };
  const Task task = small_task();
  const Gguf good = Gguf::parse(task_to_gguf(task), "t.gguf");
  for (const Case& c : cases) {
    Metadata metadata;
    for (const auto& [key, value] : good.metadata()) {
      if (key.starts_with("crayon.")) metadata.options.metadata[key] = value;
    }
    c.change(metadata);
    const auto bytes = adapter_to_gguf(task.adapter, metadata.options);
    expect_error([&] { (void)task_from_gguf(Gguf::parse(bytes, "t.gguf")); }, c.code, c.part);
  }
}

TEST(TaskFile, AnAdapterOfAnotherBaseThanTheTaskIsRefused) {
  const Gguf good = Gguf::parse(task_to_gguf(small_task()), "t.gguf");
  AdapterFileOptions options;
  for (const auto& [key, value] : good.metadata()) {
    if (key.starts_with("crayon.")) options.metadata[key] = value;
  }
  Adapter adapter = test::small_adapter(1);
  adapter.base_id = "other";
  const auto bytes = adapter_to_gguf(adapter, options);
  expect_error([&] { (void)task_from_gguf(Gguf::parse(bytes, "t.gguf")); }, ErrorCode::CorruptFile,
               "the adapter is made for base 'other', the task for 'llama-3x8");
}

}  // namespace
}  // namespace crayon
