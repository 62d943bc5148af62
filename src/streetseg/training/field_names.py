"""Suggest the field of a recipe that a name from another training code means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable

# Our field -> names of it in other training codes, as `plain` returns them.
MEANINGS: dict[str, str] = {
    "name": "run_name exp_name exp experiment experiment_name model_name project project_name tag",
    "network": "model arch architecture backbone net encoder decode_head head decoder variant model_type network_name",
    "network_arguments": "model_args model_kwargs network_args net_args arguments network_kwargs",
    "task": "task_type problem",
    "init": "pretrained pretrain weights checkpoint ckpt pretrained_path pretrained_model pretrained_weights load_from "
    "finetune_from init_weights init_from load load_weights start_from restore model_path weights_path init_checkpoint "
    "from_pretrained resume_weights",
    "split": "train_split train_set train_list training_split train_subset",
    "evaluate_split": "val_split valid_split validation_split eval_split test_split evaluation_split val_set val_list "
    "val valid validation",
    "native_short_side": "short_side short_edge shortest_edge smaller_side min_size min_side resize resize_to "
    "short_size resize_short shorter_side shorter_edge",
    "operating_scale": "test_scale input_scale eval_scale scale_factor infer_scale inference_scale resize_factor",
    "mean": "pixel_mean img_mean image_mean norm_mean data_mean",
    "std": "pixel_std img_std image_std norm_std stddev data_std stdev",
    "crop": "img_size imgsz image_size imsize img_sz input_size size resolution crop_size train_size height width "
    "input_shape patch_size random_crop train_crop train_crop_size base_size img_height img_width image_height "
    "image_width input_height input_width h w img_shape image_shape res crop_h crop_w crop_height crop_width "
    "train_resolution input_resolution im_size input_res image_res img_res",
    "scale": "random_scale scale_range scales multi_scale multiscale scale_jitter ratio_range random_resize "
    "scale_min scale_max min_scale max_scale zoom rescale",
    "scale_list": "scale_choices discrete_scales",
    "aspect": "aspect_ratio random_aspect",
    "max_category_ratio": "cat_max_ratio",
    "crop_area": "random_resized_crop rrc area",
    "crop_aspect": "crop_ratio",
    "flip": "fliplr hflip random_flip flip_prob p_flip horizontal_flip flip_p random_horizontal_flip mirror "
    "random_mirror flip_ratio flip_lr",
    "jitter": "color_jitter colour_jitter brightness contrast saturation hue photometric hsv hsv_h hsv_s hsv_v "
    "photometric_distortion color_aug colour_aug augment augmentation aug colorjitter",
    "blur": "gaussian_blur random_blur gaussianblur",
    "noise": "gaussian_noise random_noise",
    "shade": "shadow random_shadow",
    "optimiser": "optimizer optim opt solver optimizer_type optimizer_name",
    "learning_rate": "lr lr0 base_lr init_lr initial_lr max_lr peak_lr lrate rate eta eta0 learningrate "
    "initial_learning_rate base_learning_rate start_lr lr_init lr_max lr_base lr_peak",
    "learning_rate_factors": "lr_mult lr_multiplier lr_mults paramwise lr_factors head_lr head_lr_mult backbone_lr "
    "backbone_lr_mult lr_factor encoder_lr decoder_lr freeze freeze_backbone freeze_encoder frozen frozen_stages "
    "layer_decay layerwise_decay",
    "momentum": "mom beta1 beta_1 betas beta adam_beta1 sgd_momentum adam_betas",
    "nesterov": "use_nesterov",
    "weight_decay": "wd l2 decay l2_reg l2_regularization weight_decay_rate regularization reg weightdecay "
    "l2_penalty weights_decay",
    "decay_norms": "bn_weight_decay norm_weight_decay norm_decay bias_decay wd_norm bn_decay",
    "clip_norm": "grad_clip clip_grad max_grad_norm gradient_clip_val clip_grad_norm gradient_clip clip "
    "gradient_clipping grad_norm clip_gradients max_norm clip_value",
    "ema_decay": "ema use_ema model_ema ema_momentum ema_rate averaging polyak swa",
    "iterations": "iters iter max_iters max_iter num_iters n_iters num_iterations total_iters total_iterations steps "
    "max_steps num_steps total_steps n_steps train_steps num_train_steps train_iters niter max_iteration itr "
    "num_training_steps training_steps updates max_updates",
    "batch": "bs batch_size batchsize train_batch_size train_batch per_device_train_batch_size samples_per_gpu "
    "imgs_per_gpu ims_per_batch images_per_gpu images_per_batch train_bs batch_per_gpu batch_size_per_gpu "
    "samples_per_batch minibatch mini_batch mini_batch_size global_batch_size total_batch_size nbs bsz",
    "accumulate": "grad_accum gradient_accumulation gradient_accumulation_steps accumulate_grad_batches accum "
    "accumulation_steps accum_steps grad_accum_steps accumulation update_freq iters_to_accumulate accum_iter",
    "warmup_iterations": "warmup_steps warmup_iters num_warmup_steps warm_up warmup_epochs warm_up_steps warmup_step "
    "warmup_t lr_warmup lr_warmup_steps warmup_length warm_up_iters warmup_period",
    "warmup": "warmup_type warmup_mode warmup_method warmup_policy",
    "warmup_start": "warmup_ratio warmup_factor warmup_lr warmup_start_lr warmup_start_factor warmup_init_lr "
    "start_factor",
    "schedule": "lr_scheduler scheduler lr_schedule lr_policy policy scheduler_type lr_scheduler_type sched "
    "lr_decay lr_sched lr_mode decay_type decay_policy lr_strategy cosine cos_lr poly lr_config",
    "poly_power": "power lr_power poly_exp poly_lr_power exponent",
    "step_at": "milestones lr_steps lr_milestones decay_steps decay_epochs lr_decay_epochs step_milestones "
    "lr_step_size step_size lr_drop",
    "loss": "criterion loss_fn loss_function losses loss_type loss_name objective ohem focal dice loss_func",
    "ohem_threshold": "ohem_thresh ohem_thres ohem_thr thresh threshold ohem_prob thres",
    "ohem_min_kept": "ohem_keep min_kept n_min ohem_n_min ohem_ratio ohem_kept ohem_min",
    "bootstrap_threshold": "bootstrap_thresh",
    "bootstrap_min_kept": "bootstrap_k min_k",
    "label_smoothing": "label_smooth smoothing ls_eps smooth label_smoothing_eps epsilon",
    "aux_weights": "aux_weight aux_loss aux_loss_weight aux auxiliary_weight aux_alpha auxiliary aux_lambda "
    "deep_supervision loss_weights",
    "detail_weights": "detail_weight boundary_weight edge_weight detail_loss boundary_loss",
    "class_weight_power": "class_weights class_weight balance class_balance balanced cls_weights cls_weight "
    "class_balancing weighting median_frequency ce_weight",
    "evaluate_every": "eval_interval val_interval eval_every val_every eval_freq val_freq val_check_interval "
    "evaluation_interval eval_steps check_val_every_n_epoch validate_every validation_interval eval_period "
    "validation_freq eval_step val_period val_step",
    "checkpoint_every": "save_interval save_every checkpoint_interval save_freq save_steps snapshot save_period "
    "save_step ckpt_interval ckpt_every checkpoint_freq checkpoint_period snapshot_interval save_checkpoint",
    "patience": "early_stopping early_stop earlystopping early_stopping_patience early_stop_patience stop_patience "
    "es_patience",
    "seed": "random_seed rng_seed manual_seed random_state rng torch_seed",
    "precision": "amp fp16 bf16 fp32 half mixed_precision dtype use_amp use_fp16 autocast float16 bfloat16 float32 "
    "half_precision tf32",
    "compile": "torch_compile use_compile jit compiled",
    "sync_norms": "sync_bn syncbn sync_batchnorm sync_batch_norm syncbatchnorm use_sync_bn convert_sync_bn",
}  # fmt: skip

# Names of things that are no field, and what to do instead.
ELSEWHERE: dict[str, str] = {
    "recipe config cfg config_file preset": "give it as --recipe NAME or FILE.toml",
    "data dataset_path data_root data_dir data_path dataroot root datadir train_dir images image_dir": "give it as "
    "--data DIR",
    "dataset dataset_name dataset_type data_type": "give it as --dataset NAME",
    "out output output_dir work_dir workdir save_dir logdir log_dir out_dir result_dir outdir save_path output_path "
    "save_folder checkpoint_dir ckpt_dir": "give it as --out DIR",
    "resume resume_from resume_training auto_resume resume_from_checkpoint": "add --resume; the run's folder is --out",
    "workers num_workers n_workers nworkers worker dataloader_workers loader_workers": "give it as --workers N",
    "threads num_threads n_threads cpu_threads cpus": "give it as --threads N",
    "device gpu gpus gpu_id gpu_ids cuda devices accelerator num_gpus n_gpus local_rank cpu": "give it as --device; "
    "torchrun starts a process for each of several GPUs",
    "cache cache_dir cache_images ram": "give it as --cache DIR",
    "log logger log_to wandb mlflow trackio tensorboard tracker report_to": "give it as --log wandb, mlflow or "
    "trackio; TensorBoard and CSV are written anyway",
    "fold folds kfold k_fold cv cross_validation": "give it as --folds drive",
    "num_classes nc n_classes classes class_names names n_class num_class labels": "the dataset's class file says it "
    "(docs/data.md)",
    "ignore_index ignore_label ignore void void_label ignore_value ignore_lb": "the dataset's class file says it "
    "(ignore: true; docs/data.md)",
    "rotation rotate degrees random_rotate rotation_degrees mosaic mixup cutmix copy_paste cutout random_erasing "
    "erasing shear perspective translate vflip flipud vertical_flip elastic grayscale": "there is no such "
    "augmentation; there are scale, aspect, flip, jitter, blur, noise and shade",
    "dropout dropout_ratio drop drop_path drop_rate drop_path_rate": "it is part of the network; `streetseg models` "
    "lists the networks",
    "gamma decay_rate lr_gamma lr_decay_rate t_max t_0 t_mult eta_max "
    "min_lr lrf final_lr lr_min eta_min end_lr lr_end final_learning_rate": "the schedule says how the rate falls "
    "(schedule, poly_power, step_at)",
    "beta2 beta_2 adam_beta2 eps adam_eps adam_epsilon amsgrad dampening": "AdamW's second beta is 0.999, its epsilon "
    "1e-8; momentum is its first beta",
    "shuffle drop_last pin_memory": "the order of the samples depends on seed alone",
    "val_batch_size eval_batch_size test_batch_size per_device_eval_batch_size": "evaluation takes frame by frame; "
    "batch is the training's",
}  # fmt: skip

EPOCHS = (
    "epochs epoch max_epochs max_epoch num_epochs n_epochs nb_epochs total_epochs train_epochs num_train_epochs "
    "n_epoch num_epoch nepochs training_epochs end_epoch total_epoch ep"
)

# Fields that an option of the command line sets, too.
OPTIONS = {"batch": "--batch N", "crop": "--crop HxW", "init": "--init FILE"}
# Parts of names that say the same; "" says nothing.
SAME = {
    "lr": "learning_rate", "learningrate": "learning_rate", "wd": "weight_decay", "bs": "batch", "batchsize": "batch",
    "eval": "evaluate", "val": "evaluate", "valid": "evaluate", "validation": "evaluate", "evaluation": "evaluate",
    "iter": "iterations", "iters": "iterations", "steps": "iterations", "iteration": "iterations",
    "interval": "every", "freq": "every", "frequency": "every", "period": "every", "ckpt": "checkpoint",
    "save": "checkpoint", "optimizer": "optimiser", "optim": "optimiser", "opt": "optimiser",
    "norm": "norms", "weight": "weights", "thresh": "threshold", "thr": "threshold", "color": "jitter",
    "colour": "jitter", "prob": "", "grad": "clip", "gradient": "clip", "sched": "schedule",
    "scheduler": "schedule", "factor": "",
}  # fmt: skip
FILLERS = "max num n total train training base use the of per with value cfg"


def plain(name: str) -> str:
    """Return a name in lower case with underscores: "LearningRate", "learning-rate" and "optim.lr" alike."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip().lstrip("-"))
    return re.sub(r"\W+", "_", parted).lower().strip("_")


def suggest(name: str, value: object, fields: Iterable[str], epochs: Callable[[object], str]) -> str:
    """Return what to do in place of setting a field that does not exist.

    Args:
        name: The unknown field.
        value: Its value.
        fields: The fields of a recipe.
        epochs: Returns the advice for a number of epochs.

    Returns:
        The end of a message, without a full stop.
    """
    key = plain(name)
    for part in dict.fromkeys([plain(name.rpartition(".")[2]), key]):  # lr of optimiser.lr
        if part in EPOCHS.split():
            return epochs(value)
        for names, advice in ELSEWHERE.items():
            if part in names.split():
                return advice
        if field := field_meant(part, list(fields)):
            option = f" ({OPTIONS[field]})" if field in OPTIONS else ""
            return f"did you mean {field}{', counted in steps' * ('epoch' in key)}{option}?"
    return epochs(value) if "epoch" in key else "`streetseg recipes NAME` prints the fields of a recipe"


def field_meant(key: str, fields: list[str]) -> str | None:
    """Return the field that a plain name means: by a table, else by its letters or parts; None if there is none."""
    aliases = {alias: field for field, names in MEANINGS.items() for alias in names.split()}
    known = {field: field for field in fields} | aliases
    bare = "_".join(part for part in key.split("_") if part not in FILLERS.split())
    for name in (key, bare):
        if name in known:
            return known[name]
    for names, cutoff in ((fields, 0.75), ([alias for alias in aliases if len(alias) > 4], 0.85)):
        if close := difflib.get_close_matches(key, names, n=1, cutoff=cutoff):
            return known[close[0]]
    asked = parts(key)
    shares = {field: len(asked & parts(field)) / max(1, len(asked | parts(field))) for field in fields}
    best = max(shares, key=lambda field: shares[field])
    return best if shares[best] > 0.5 else None


def parts(key: str) -> set[str]:
    """Return the parts of a plain name that say something, each in the word that our fields have for it."""
    alike = "_".join(SAME.get(part, part) for part in key.split("_"))
    return set(alike.split("_")) - {"", *FILLERS.split()}
