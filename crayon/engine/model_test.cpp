// Opening a model: its tokenizer, chat template and weights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "crayon/base/files.h"
#include "crayon/engine/internal/tiny_model_test.h"
#include "crayon/formats/gguf.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

class ModelTest : public TinyModel {};
CRAYON_EACH_ARCHITECTURE(ModelTest);

TEST_P(ModelTest, TextComesBackFromItsTokens) {
  const std::string text = "the thin man and \xC3\xA9\xE2\x82\xAC\n\ttwo  blanks";
  EXPECT_EQ(model_->detokenize(model_->tokenize(text, /*add_bos=*/false)), text);
  const auto chat = prompt_tokens("<|im_start|>user");
  const int n = options_.n_vocab;
  EXPECT_EQ(chat[options_.bos ? 1 : 0], n - 2);
  EXPECT_EQ(prompt_tokens("<|endoftext|>a").front(), n - 3);
  EXPECT_EQ(prompt_tokens("<|endoftext|>a").size(), 2u);  // no second BOS
  EXPECT_GT(model_->tokenize("<|im_start|>", false, false).size(), 1u);
}

TEST_P(ModelTest, ChatTemplateOfTheModelOrOfItsName) {
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

TEST_P(ModelTest, MetadataAndWeightsAreThoseOfTheFile) {
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

TEST_P(ModelTest, WeightsStayThoseOfTheOpenedFileWhenItIsReplaced) {
  const FloatTensor before = model_->tensor("blk.1.attn_k.weight");
  RandomModelOptions other = options_;
  other.seed = 99;
  write_random_model(file("other.gguf"), other);
  std::filesystem::rename(file("other.gguf"), file());
  EXPECT_EQ(model_->tensor("blk.1.attn_k.weight").data, before.data);
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
