// The engine on tiny random models: every result against one computed the slow way.
#include "crayon/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <span>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using ::testing::Property;
using ::testing::Throws;

const std::string kText = "What lives in the deep sea and eats the small fish there?";

EngineOptions exact(int batch_tokens = 512, int max_choices = 32) {
  return {.threads = 1,
          .context_tokens = 256,
          .exact = true,
          .max_choices = max_choices,
          .batch_tokens = batch_tokens};
}

/// A tiny model of each architecture in a folder of its own.
class EngineTest : public ::testing::TestWithParam<std::string> {
 protected:
  EngineTest() {
    options_.architecture = GetParam();
    options_.tied = GetParam() == "llama";
    options_.bos = GetParam() == "qwen2";
    write_random_model(file(), options_);
    model_ = open_model(file(), {.with_hash = false});
  }
  std::filesystem::path file(const std::string& name = "tiny.gguf") const {
    return folder_.path() / name;
  }
  RenderedPrompt question() const {
    return {.text = kText, .choices = {" a whale", " the giant squid", " x", " nobody knows"}};
  }
  std::vector<int> prompt_tokens(const std::string& text) const {
    return prompt_tokenizer(*model_)(text);
  }

  TemporaryFolder folder_;
  RandomModelOptions options_;
  std::shared_ptr<Model> model_;
};

INSTANTIATE_TEST_SUITE_P(Architectures, EngineTest, ::testing::Values("llama", "qwen2"),
                         [](const auto& test) { return test.param; });

float log_prob_at(const Matrix& logits, std::size_t row, int token) {
  double sum = 0;
  for (const float x : logits.row(row)) sum += std::exp(static_cast<double>(x));
  return static_cast<float>(logits.at(row, static_cast<std::size_t>(token)) - std::log(sum));
}

/// Each choice alone, in full, through logits().
std::vector<float> slow_scores(Engine& engine, const std::vector<int>& prompt,
                               const std::vector<std::vector<int>>& wholes) {
  std::vector<float> scores;
  for (const auto& whole : wholes) {
    const Matrix logits = engine.logits(whole);
    float sum = 0;
    for (std::size_t i = prompt.size(); i < whole.size(); ++i) {
      sum += log_prob_at(logits, i - 1, whole[i]);
    }
    scores.push_back(sum);
  }
  return scores;
}

std::vector<float> sums(const ScoreResult& result) {
  std::vector<float> values;
  for (const auto& choice : result.choices) values.push_back(choice.sum_log_prob);
  return values;
}

TEST_P(EngineTest, ScoresEqualThoseOfWholeSequencesOneByOne) {
  const auto engine = model_->open_engine(exact());
  std::vector<std::vector<int>> wholes;
  for (const auto& choice : question().choices) wholes.push_back(prompt_tokens(kText + choice));

  const ScoreResult got = engine->score({question()}, {});

  const auto prompt = prompt_tokens(kText);
  EXPECT_THAT(sums(got), Pointwise(FloatNear(1e-3f), slow_scores(*engine, prompt, wholes)));
  for (std::size_t i = 0; i < wholes.size(); ++i) {
    EXPECT_EQ(got.choices[i].tokens, static_cast<int>(wholes[i].size() - prompt.size()));
  }
  EXPECT_EQ(got.prompt_tokens, prompt.size());
}

TEST_P(EngineTest, ChoicesThatJoinTheLastTokenOfThePromptAreScoredFromWhereTheyDiffer) {
  // "xa" is [x, a], but "xan" is [x, an] and "xand" [x, and].
  const RenderedPrompt prompt{.text = kText + " xa", .choices = {"n", "nd it", "b", " b"}};
  const auto alone = prompt_tokens(prompt.text);
  const auto engine = model_->open_engine(exact());
  std::vector<float> want;
  for (const auto& choice : prompt.choices) {
    const auto whole = prompt_tokens(prompt.text + choice);
    const auto common = std::mismatch(alone.begin(), alone.end(), whole.begin()).first;
    want.push_back(slow_scores(*engine, {alone.begin(), common}, {whole}).front());
  }

  const ScoreResult got = engine->score({prompt, /*embed=*/true}, {2, Pooling::Last});

  EXPECT_THAT(sums(got), Pointwise(FloatNear(1e-3f), want));
  EXPECT_EQ(got.prompt_tokens, alone.size() - 1);
  const std::vector<RenderedPrompt> prompts = {prompt};
  EXPECT_THAT(got.hidden,
              Pointwise(FloatNear(1e-5f), engine->embed(prompts, {2, Pooling::Last}).data));
}

TEST_P(EngineTest, ScoresAreTheSameInSmallBatchesAndSeveralRounds) {
  const auto whole = model_->open_engine(exact())->score({question()}, {});
  const auto pieces = model_->open_engine(exact(/*batch_tokens=*/5, /*max_choices=*/2));
  EXPECT_THAT(sums(pieces->score({question()}, {})), Pointwise(FloatNear(1e-3f), sums(whole)));
  EXPECT_THAT(sums(pieces->score({question()}, {})), Pointwise(FloatNear(1e-3f), sums(whole)));
}

TEST_P(EngineTest, ScoresHundredsOfChoicesInRounds) {
  RenderedPrompt prompt{.text = kText, .choices = {}};
  for (int i = 0; i < 150; ++i)
    prompt.choices.push_back(std::string(" choice ").append(std::to_string(i)));
  const auto engine = model_->open_engine(exact());

  const auto many = sums(engine->score({prompt}, {}));

  prompt.choices = {" choice 7", " choice 149"};
  const auto few = sums(engine->score({prompt}, {}));
  EXPECT_NEAR(many[7], few[0], 1e-3);
  EXPECT_NEAR(many[149], few[1], 1e-3);
}

TEST_P(EngineTest, HiddenStatesDoNotDependOnHowTheTokensAreBatched) {
  const std::vector<RenderedPrompt> prompts = {question(), {.text = "An", .choices = {}}};
  for (const auto pooling : {Pooling::Mean, Pooling::Last}) {
    for (const int layer : {0, 1, 2, 3}) {
      const EmbeddingSpec spec{layer, pooling};
      const Matrix whole = model_->open_engine(exact())->embed(prompts, spec);
      const Matrix pieces = model_->open_engine(exact(7))->embed(prompts, spec);
      EXPECT_THAT(pieces.data, Pointwise(FloatNear(1e-4f), whole.data)) << layer;
    }
  }
}

TEST_P(EngineTest, LayerZeroIsTheTokenEmbeddings) {
  const auto tokens = prompt_tokens(kText);
  const FloatTensor table = model_->tensor("token_embd.weight");
  const std::size_t d = table.shape[1];
  std::vector<float> mean(d);
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    for (std::size_t j = 0; j < d; ++j) {
      mean[j] += table.data[static_cast<std::size_t>(tokens[i]) * d + j] /
                 static_cast<float>(tokens.size() - 1);
    }
  }
  const std::vector<RenderedPrompt> prompts = {question()};
  const auto engine = model_->open_engine(exact());
  EXPECT_THAT(engine->embed(prompts, {0, Pooling::Mean}).data, Pointwise(FloatNear(1e-5f), mean));
}

TEST_P(EngineTest, LastLayerOfTheLastTokenGivesTheLogits) {
  const auto engine = model_->open_engine(exact());
  const std::vector<RenderedPrompt> prompts = {question()};
  const auto tokens = prompt_tokens(kText);
  const auto h = engine->embed(prompts, {options_.n_layers, Pooling::Last}).data;
  const auto norm = model_->tensor("output_norm.weight").data;
  const auto output = model_->tensor(options_.tied ? "token_embd.weight" : "output.weight").data;

  double square = 0;
  for (const float x : h) square += static_cast<double>(x) * x;
  const double scale = 1 / std::sqrt(square / static_cast<double>(h.size()) + 1e-5);
  std::vector<float> logits(static_cast<std::size_t>(options_.n_vocab));
  for (std::size_t v = 0; v < logits.size(); ++v) {
    double sum = 0;
    for (std::size_t i = 0; i < h.size(); ++i) sum += output[v * h.size() + i] * h[i] * norm[i];
    logits[v] = static_cast<float>(sum * scale);
  }

  const Matrix got = engine->logits(tokens);
  EXPECT_THAT(got.row(tokens.size() - 1), Pointwise(FloatNear(1e-3f), logits));
}

TEST_P(EngineTest, PassEndedAtTheTrunkGivesTheStatesOfAFullPass) {
  const auto engine = model_->open_engine(exact());
  const std::vector<RenderedPrompt> prompts = {question()};
  for (const auto pooling : {Pooling::Mean, Pooling::Last}) {
    for (const int layer : {0, 2, 3}) {
      const EmbeddingSpec spec{layer, pooling};
      const auto trunk = engine->embed(prompts, spec).data;
      const auto full = engine->score({question(), /*embed=*/true}, spec).hidden;
      EXPECT_THAT(full, Pointwise(FloatNear(1e-5f), trunk)) << layer;
    }
  }
}

TEST_P(EngineTest, HiddenStatesAreOfTheBaseWhateverAdapterIsSet) {
  const auto engine = model_->open_engine(exact());
  const std::vector<RenderedPrompt> prompts = {question()};
  for (const int first : {0, 2}) {
    const EmbeddingSpec spec{2, Pooling::Mean};
    engine->set_adapters({});
    const auto base = engine->embed(prompts, spec).data;
    const auto base_scores = sums(engine->score({question()}, spec));
    const Adapter adapter = random_model_adapter(options_, first, 2, 5);
    const BlendPart part{adapter, 1.0f};
    engine->set_adapters({&part, 1});
    const auto before = sums(engine->score({question()}, spec));

    EXPECT_THAT(engine->embed(prompts, spec).data, Pointwise(FloatNear(1e-5f), base));
    EXPECT_THAT(engine->score({question(), true}, spec).hidden, Pointwise(FloatNear(1e-5f), base));

    EXPECT_THAT(sums(engine->score({question()}, spec)), Pointwise(FloatNear(1e-4f), before));
    EXPECT_GT(std::abs(before[0] - base_scores[0]), 0.01);
  }
}

TEST_P(EngineTest, AdaptersWithWeightsEqualAModelWithTheirSumInItsWeights) {
  const Adapter x = random_model_adapter(options_, 1, 2, 1);
  const Adapter y = random_model_adapter(options_, 0, 3, 2);
  const std::vector<BlendPart> parts = {{x, 0.75f}, {y, -0.5f}};
  write_random_model(file("merged.gguf"), options_, parts);
  const auto merged = open_model(file("merged.gguf"), {.with_hash = false});
  const auto want = merged->open_engine(exact())->logits(prompt_tokens(kText));

  const auto engine = model_->open_engine(exact());
  const auto base = engine->logits(prompt_tokens(kText));
  engine->set_adapters(parts);
  EXPECT_THAT(engine->logits(prompt_tokens(kText)).data, Pointwise(FloatNear(2e-3f), want.data));

  engine->set_adapters({});
  EXPECT_THAT(engine->logits(prompt_tokens(kText)).data, Pointwise(FloatNear(1e-5f), base.data));
}

TEST_P(EngineTest, AdapterFilesEqualTheBlendThatTheyWereWrittenFrom) {
  const Adapter x = random_model_adapter(options_, 1, 2, 1);
  const Adapter y = random_model_adapter(options_, 1, 2, 2);
  const std::vector<BlendPart> parts = {{x, 0.4f}, {y, 0.6f}};
  const auto bytes = adapter_to_gguf(
      blend(parts).adapter,
      {.architecture = GetParam(), .name = "sum", .type = TensorType::F32, .metadata = {}});
  write_atomically(file("sum.gguf"), bytes);
  const auto engine = model_->open_engine(exact());
  engine->set_adapters(parts);
  const auto want = engine->logits(prompt_tokens(kText)).data;

  engine->set_adapters({});
  engine->set_adapter_file(file("sum.gguf"));

  EXPECT_THAT(engine->logits(prompt_tokens(kText)).data, Pointwise(FloatNear(1e-3f), want));
}

/// The engine fills ranks up for llama.cpp's kernels; scales that are no power of two must not
/// be rounded into halves on the way.
TEST_P(EngineTest, FilesOfAnyRankTypeAndScaleActAsTheirNumbersDo) {
  for (const std::size_t rank : {2, 16, 20}) {
    for (const TensorType type : {TensorType::F32, TensorType::F16, TensorType::BF16}) {
      const AdapterFileOptions options{
          .architecture = GetParam(), .name = "file", .type = type, .metadata = {}};
      auto bytes = adapter_to_gguf(random_model_adapter(options_, 1, rank, 5), options);
      const float alpha = static_cast<float>(rank);
      const float other = 0.7f * alpha;
      const std::string key = "adapter.lora.alpha";
      auto at = std::ranges::search(bytes, std::as_bytes(std::span(key))).end();
      at += 4;  // behind the type of the value
      ASSERT_EQ(std::memcmp(&*at, &alpha, sizeof alpha), 0);
      std::memcpy(&*at, &other, sizeof other);
      const Adapter numbers = adapter_from_gguf(Gguf::parse(bytes, "file"));
      ASSERT_FLOAT_EQ(numbers.tensors[0].scale, 0.7f);

      const auto engine = model_->open_engine(exact());
      const BlendPart part{numbers, 1.0f};
      engine->set_adapters({&part, 1});
      const auto want = engine->logits(prompt_tokens(kText)).data;
      engine->set_adapter_bytes(bytes, "file");
      const bool as_it_is = rank <= 16 && type != TensorType::F32;  // halves the activations too
      EXPECT_THAT(engine->logits(prompt_tokens(kText)).data,
                  Pointwise(FloatNear(as_it_is ? 5e-2f : 1e-3f), want))
          << rank << " " << to_string(type);
    }
  }
}

TEST_P(EngineTest, AnAdapterOfAnotherShapeIsRefusedAndTheOldOneStays) {
  const auto engine = model_->open_engine(exact());
  const Adapter good = random_model_adapter(options_, 1, 2, 1);
  const BlendPart good_part{good, 1.0f};
  engine->set_adapters({&good_part, 1});
  const auto want = engine->logits(prompt_tokens(kText)).data;
  const Adapter bad = random_adapter({.d_out = 4, .d_in = 4});
  const BlendPart bad_part{bad, 1.0f};

  EXPECT_THAT(
      [&] {
        engine->set_adapters({&bad_part, 1});
      },
      Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Incompatible),
                          Property(&Error::what, HasSubstr("blk.0.attn_q.weight")))));
  EXPECT_THAT(engine->logits(prompt_tokens(kText)).data, Pointwise(FloatNear(1e-5f), want));
}

TEST_P(EngineTest, NumbersThatAreNotFiniteAreNoAnswer) {
  Adapter huge = random_model_adapter(options_, 0, 2, 1);
  for (auto& tensor : huge.tensors) std::fill(tensor.b.data.begin(), tensor.b.data.end(), 1e30f);
  const BlendPart part{huge, 1.0f};
  const auto engine = model_->open_engine(exact());
  engine->set_adapters({&part, 1});
  const auto names_both =
      Throws<Error>(AllOf(Property(&Error::code, ErrorCode::CorruptFile),
                          Property(&Error::what, HasSubstr("tiny.gguf with the blended adapter"))));
  EXPECT_THAT([&] { (void)engine->score({question()}, {}); }, names_both);
  EXPECT_THAT([&] { (void)engine->generate(kText, {.max_tokens = 3}); }, names_both);
  EXPECT_THAT(
      [&] { (void)engine->generate(kText, {.max_tokens = 3, .temperature = 1, .top_p = 0.9f}); },
      names_both);
  engine->set_adapters({});
  EXPECT_NO_THROW((void)engine->score({question()}, {}));
}

TEST_P(EngineTest, GreedyTextIsTheArgmaxOfTheLogits) {
  const auto engine = model_->open_engine(exact());
  const auto got = engine->generate(kText, {.max_tokens = 8, .top_log_probs = 3});
  auto tokens = prompt_tokens(kText);
  EXPECT_EQ(got.prompt_tokens, tokens.size());
  ASSERT_FALSE(got.tokens.empty());
  for (const auto& token : got.tokens) {
    const Matrix logits = engine->logits(tokens);
    const auto row = logits.row(tokens.size() - 1);
    const auto best = std::max_element(row.begin(), row.end()) - row.begin();
    EXPECT_EQ(token.id, best);
    EXPECT_NEAR(token.log_prob, log_prob_at(logits, tokens.size() - 1, token.id), 1e-3);
    ASSERT_EQ(token.top.size(), 3u);
    EXPECT_EQ(token.top[0].id, token.id);
    EXPECT_GE(token.top[1].log_prob, token.top[2].log_prob);
    tokens.push_back(token.id);
  }
}

TEST_P(EngineTest, SampledTextDependsOnTheSeedAlone) {
  const auto engine = model_->open_engine(exact());
  const auto text = [&](std::uint64_t seed) {
    return engine
        ->generate(kText, {.max_tokens = 12, .temperature = 1, .top_p = 0.95f, .seed = seed})
        .text;
  };
  EXPECT_EQ(text(1), text(1));
  EXPECT_NE(text(1), text(2));
}

TEST_P(EngineTest, StopTextEndsTheAnswerAndIsNotPartOfIt) {
  const auto engine = model_->open_engine(exact());
  const auto full = engine->generate(kText, {.max_tokens = 40});
  ASSERT_GT(full.tokens.size(), 4u);
  // The end of one token and the beginning of the next.
  std::size_t at = 0;
  for (std::size_t i = 0; i + 1 < full.tokens.size() && at + 2 < full.text.size() / 2; ++i) {
    at += full.tokens[i].text.size();
  }
  const std::string stop = full.text.substr(at - 1, 2);
  std::string streamed;
  const auto got =
      engine->generate(kText, {.max_tokens = 40, .stop = {stop}}, [&](const GeneratedToken& token) {
        streamed += token.text;
        return true;
      });
  EXPECT_EQ(got.text, full.text.substr(0, full.text.find(stop)));
  EXPECT_EQ(streamed, got.text);
  EXPECT_EQ(got.finish, FinishReason::Stop);
}

TEST_P(EngineTest, GeneratingStopsAtTheLimitTheContextAndOnRequest) {
  const auto engine = model_->open_engine(exact());
  EXPECT_EQ(engine->generate(kText, {.max_tokens = 0}).tokens.size(), 0u);
  const auto endless = engine->generate(kText, {.max_tokens = 100000});
  EXPECT_LE(endless.prompt_tokens + endless.tokens.size(), 256u);
  int seen = 0;
  const auto cancelled = engine->generate(kText, {.max_tokens = 40},
                                          [&](const GeneratedToken&) { return ++seen < 2; });
  EXPECT_EQ(cancelled.finish, FinishReason::Cancelled);
  EXPECT_EQ(seen, 2);
  EXPECT_THAT([&] { (void)engine->generate(std::string(5000, 'z'), {}); },
              Throws<Error>(Property(&Error::code, ErrorCode::InvalidArgument)));
}

TEST_P(EngineTest, TextComesBackFromItsTokens) {
  const std::string text = "the thin man and \xC3\xA9\xE2\x82\xAC\n\ttwo  blanks";
  EXPECT_EQ(model_->detokenize(model_->tokenize(text, /*add_bos=*/false)), text);
  const auto chat = prompt_tokens("<|im_start|>user");
  const int n = options_.n_vocab;
  EXPECT_EQ(chat[options_.bos ? 1 : 0], n - 2);
  EXPECT_EQ(prompt_tokens("<|endoftext|>a").front(), n - 3);
  EXPECT_EQ(prompt_tokens("<|endoftext|>a").size(), 2u);  // no second BOS
  EXPECT_GT(model_->tokenize("<|im_start|>", false, false).size(), 1u);
}

TEST_P(EngineTest, ChatTemplateOfTheModelOrOfItsName) {
  const std::vector<ChatMessage> chat = {{"system", "Be brief."}, {"user", "Hi"}};
  EXPECT_EQ(model_->apply_chat_template(chat),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\n");
  const auto named = open_model(file(), {.chat_template = "llama3", .with_hash = false});
  EXPECT_THAT(named->apply_chat_template(chat, false), HasSubstr("<|start_header_id|>user"));
  EXPECT_THAT([&] { (void)open_model(file(), {.chat_template = "chatmal"}); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                  Property(&Error::what, HasSubstr("chatml")))));
}

TEST_P(EngineTest, MetadataAndWeightsAreThoseOfTheFile) {
  EXPECT_EQ(model_->base().architecture, GetParam());
  EXPECT_EQ(model_->base().n_layers, 3);
  EXPECT_EQ(model_->context_trained(), 256);
  EXPECT_FLOAT_EQ(static_cast<float>(model_->hyperparameter(GetParam() + ".rope.freq_base")), 1e4f);
  const FloatTensor key = model_->tensor("blk.1.attn_k.weight");
  EXPECT_EQ(key.shape, (std::vector<std::uint64_t>{32, 64}));
  const Gguf gguf = Gguf::open(file());
  EXPECT_EQ(key.data, gguf.read_floats(*gguf.find("blk.1.attn_k.weight")));
  EXPECT_THAT([&] { (void)model_->tensor("blk.9.attn_k.weight"); },
              Throws<Error>(Property(&Error::code, ErrorCode::NotFound)));
  EXPECT_THAT([&] { (void)model_->hyperparameter("no.such.key"); },
              Throws<Error>(Property(&Error::code, ErrorCode::NotFound)));
}

TEST_P(EngineTest, WeightsStayThoseOfTheOpenedFileWhenItIsReplaced) {
  const FloatTensor before = model_->tensor("blk.1.attn_k.weight");
  RandomModelOptions other = options_;
  other.seed = 99;
  write_random_model(file("other.gguf"), other);
  std::filesystem::rename(file("other.gguf"), file());
  EXPECT_EQ(model_->tensor("blk.1.attn_k.weight").data, before.data);
}

TEST_P(EngineTest, WrongRequestsNameWhatIsWrong) {
  const auto engine = model_->open_engine(exact());
  const std::vector<RenderedPrompt> prompts = {question()};
  EXPECT_THAT(
      [&] {
        (void)engine->embed(prompts, {4, Pooling::Mean});
      },
      Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                          Property(&Error::what, HasSubstr("layers 0 to 3")))));
  EXPECT_THAT([&] { (void)engine->score({{.text = kText, .choices = {}}}, {}); },
              Throws<Error>(Property(&Error::code, ErrorCode::InvalidArgument)));
  const std::vector<int> outside = {1, 320};
  EXPECT_THAT([&] { (void)engine->logits(outside); },
              Throws<Error>(Property(&Error::what, HasSubstr("320"))));
  EXPECT_THAT([&] { (void)model_->open_engine({.max_choices = 256}); },
              Throws<Error>(Property(&Error::what, HasSubstr("max_choices is 256"))));
  EXPECT_THAT([&] { (void)engine->generate("a", {.temperature = -1}); },
              Throws<Error>(Property(&Error::what, HasSubstr("temperature is -1"))));
}

TEST(OpenModel, AVocabularyThatLacksWhatItsKindNeedsIsACorruptFile) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "no_bytes.gguf";
  write_random_model(path, {.keys = {{"tokenizer.ggml.model", "llama"}}});
  EXPECT_THAT([&] { (void)open_model(path, {.with_hash = false})->tokenize("x"); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::CorruptFile),
                                  Property(&Error::what, HasSubstr("no_bytes.gguf")))));
}

TEST(OpenModel, AModelForAnyContextTakesTheOneThatIsAskedFor) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "long.gguf";
  write_random_model(path, {.keys = {{"llama.context_length", 4294967295u}}});
  const auto model = open_model(path, {.with_hash = false});
  EXPECT_GT(model->context_trained(), 1 << 20);
  EXPECT_THAT([&] { (void)model->open_engine(exact())->generate(std::string(999, 'z'), {}); },
              Throws<Error>(Property(&Error::what, HasSubstr("the context 256"))));
}

TEST(OpenModel, RefusesWhatIsNoModelOfAKnownArchitecture) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "bad.gguf";
  write_atomically(path, std::string_view("this is not a GGUF file at all"));
  EXPECT_THAT([&] { (void)open_model(path); },
              Throws<Error>(Property(&Error::code, ErrorCode::CorruptFile)));
  EXPECT_THAT([&] { (void)open_model(folder.path() / "none.gguf"); },
              Throws<Error>(Property(&Error::code, ErrorCode::NotFound)));
  write_random_model(path, {.architecture = "gemma"});
  EXPECT_THAT([&] { (void)open_model(path, {.with_hash = false}); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Unsupported),
                                  Property(&Error::what, HasSubstr("'gemma'")),
                                  Property(&Error::what, HasSubstr("'llama'")))));
}

}  // namespace
}  // namespace crayon
