# The public CIFAR-10 ResNets reach their accuracy on the original test images.

% require $TENON_SHARED/models/resnet20-12fca82f.th
% require $TENON_SHARED/data/cifar10-original-test1000.bin.zst
$ ln -s "$TENON_SHARED" shared
$ tenon eval -q shared/models/resnet20-12fca82f.th shared/models/resnet32-d509ac18.th --arch resnet20,resnet32 --data cifar10:shared/data/cifar10-original-test1000.bin.zst,mean=0.485/0.456/0.406,std=0.229/0.224/0.225
model accuracy loss ECE parameters MACs
resnet20-12fca82f.th 91.50 % <number> <number> 269,722 40.6 M
resnet32-d509ac18.th 92.80 % <number> <number> 464,154 68.9 M
prediction ensemble 94.20 % <number> <number> 733,876 109 M
1,000 images of cifar10:shared/data/cifar10-original-test1000.bin.zst,mean=0.485/0.456/0.406,std=0.229/0.224/0.225,classes=10,seed=1
$ tenon eval -q shared/models/resnet20-12fca82f.th --arch resnet32 --data cifar10:shared/data/cifar10-original-test1000.bin.zst
! tenon: 'shared/models/resnet20-12fca82f.th' lacks tensor 'layer1.3.conv1.weight' [16, 16, 3, 3]
? 1
